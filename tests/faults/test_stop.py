"""A worker that is asked to stop ends in time, whatever it waits for, and loses nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest

from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.harness.events import completed, recalculation
from tests.harness.proxied import AdvertisedBroker, through
from tests.harness.proxy import Proxy
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import FAUST, WORKER, Deployment, WorkerProcess

pytestmark = pytest.mark.integration

_DRAIN_SECONDS = 2.0
#: What the event loop, the client libraries and a busy machine may add.
_MORE_SECONDS = 5.0
#: How long the worker works before it is asked to stop.
_LOOK_SECONDS = 1.5
#: All are longer than a stop may take: a stop that waits for one of these is too late.
_PATIENT = {
    "DRAIN_TIMEOUT_SECONDS": f"{_DRAIN_SECONDS}",
    "DATABASE_CONNECT_TIMEOUT_SECONDS": "20",
    "DATABASE_STATEMENT_TIMEOUT_SECONDS": "20",
    "KAFKA_REQUEST_TIMEOUT_SECONDS": "20",
    "KAFKA_REBALANCE_TIMEOUT_SECONDS": "30",
    "RETRY_MAX_WAIT_SECONDS": "15",
    "HOUSEKEEPING_SECONDS": "0.2",
    "COMPLETION_RETENTION_DAYS": "4000",
}


@dataclass
class Surroundings:
    """A deployment that reaches Kafka and Postgres through proxies."""

    deployment: Deployment
    kafka: Proxy
    postgres: Proxy

    def inflict(self, fault: str) -> None:
        """Cause `kafka_cut`, `kafka_stall`, `postgres_cut` or `postgres_stall`."""
        name, _, way = fault.partition("_")
        getattr(getattr(self, name), way)()

    async def give_work(self) -> None:
        """Send records for ingest, and commands."""
        await self.deployment.publish(*(completed(f"learner-{n}") for n in range(20)))
        commands = [recalculation("learner-1"), recalculation("learner-2")]
        await self.deployment.kafka.publish(self.deployment.commands, commands)

    async def is_done(self) -> bool:
        """Whether all of that work is done."""
        learners = fetch(self.deployment.database.owner_url, "SELECT count(*) FROM learner")
        return learners == [(20,)] and [*(await self.committed()).values()] == [20, 2]

    async def committed(self) -> dict[str, int]:
        """The offsets that the worker's two groups have committed."""
        deployment = self.deployment
        found = {
            deployment.completed: deployment.group,
            deployment.commands: f"{deployment.group}-commands",
        }
        return {
            topic: sum((await deployment.kafka.committed(group, topic)).values())
            for topic, group in found.items()
        }


@pytest.fixture
async def surroundings(
    impatient: Deploy, migrated_database: Database
) -> AsyncIterator[Surroundings]:
    port = int(migrated_database.worker_url.rpartition(":")[2].partition("/")[0])
    kafka = Proxy()
    with AdvertisedBroker(kafka.port) as broker:
        kafka.target_port = broker.port
        async with kafka, Proxy(port) as postgres:
            deployment = await impatient(kafka.address, through(migrated_database, postgres.port))
            deployment.variables |= _PATIENT
            yield Surroundings(deployment, kafka, postgres)


async def stop(worker: WorkerProcess, signum: signal.Signals) -> None:
    """Send the signal; the worker must end in time with status 0."""
    started = time.monotonic()
    worker.process.send_signal(signum)
    assert await worker.ended() == 0, worker.said()
    assert time.monotonic() - started < _DRAIN_SECONDS + _MORE_SECONDS, worker.said()


@pytest.mark.parametrize(
    ("fault", "signum", "command"),
    [
        ("postgres_stall", signal.SIGTERM, WORKER),
        ("postgres_cut", signal.SIGINT, WORKER),
        pytest.param("postgres_cut", signal.SIGTERM, FAUST, marks=pytest.mark.faults),
    ],
)
async def test_with_work_in_hand_and_postgres_away(
    surroundings: Surroundings, fault: str, signum: signal.Signals, command: tuple[str, ...]
) -> None:
    """Ingest, the relay, commands and housekeeping all wait for Postgres."""
    async with surroundings.deployment.worker(command) as worker:
        before = await surroundings.committed()
        surroundings.inflict(fault)
        await surroundings.give_work()
        await asyncio.sleep(_LOOK_SECONDS)
        await stop(worker, signum)
    assert await surroundings.committed() == before
    surroundings.postgres.restore()
    async with surroundings.deployment.worker():
        await wait_until(surroundings.is_done, "a successor does the work")


@pytest.mark.parametrize(
    "fault", ["kafka_stall", pytest.param("kafka_cut", marks=pytest.mark.faults)]
)
async def test_with_kafka_away(surroundings: Surroundings, fault: str) -> None:
    """Ingest, the relay and commands wait for Kafka."""
    async with surroundings.deployment.worker() as worker:
        await surroundings.give_work()
        surroundings.inflict(fault)
        await asyncio.sleep(_LOOK_SECONDS)
        await stop(worker, signal.SIGTERM)


@pytest.mark.parametrize(
    "fault",
    [
        "postgres_cut",
        pytest.param("postgres_stall", marks=pytest.mark.faults),
    ],
)
async def test_while_it_starts(surroundings: Surroundings, fault: str) -> None:
    surroundings.inflict(fault)
    async with surroundings.deployment.worker(await_ready=False) as worker:
        await wait_until(partial(worker.has_said, "Starting..."), "it starts")
        await asyncio.sleep(_LOOK_SECONDS)
        await stop(worker, signal.SIGTERM)


@pytest.mark.faults
async def test_while_it_waits_for_the_first_answer_of_kafka(surroundings: Surroundings) -> None:
    """Nothing has begun yet that would have to be ended in order."""
    surroundings.inflict("kafka_stall")
    async with surroundings.deployment.worker(await_ready=False) as worker:
        await asyncio.sleep(_LOOK_SECONDS)
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.ended() == -signal.SIGTERM, worker.said()
        assert worker.said() == ""
