"""A dependency that is away is seen, logged in few lines, and found again without a restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.harness import stuck
from tests.harness.apache_kafka import Cluster
from tests.harness.events import completed
from tests.harness.proxied import AdvertisedBroker, through
from tests.harness.proxy import Proxy
from tests.harness.storage import execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess

pytestmark = pytest.mark.integration

PARTS = ("ingest", "relay", "commands")
SILENT = {"obstacles": [f"Kafka does not answer: {', '.join(PARTS)}."]}
#: With these, a silence of four seconds is long even for the watchdog, which must not end the
#: worker.
QUICK = {
    "KAFKA_REQUEST_TIMEOUT_SECONDS": "2",
    "KAFKA_REBALANCE_TIMEOUT_SECONDS": "4",
    "STALL_TIMEOUT_SECONDS": "3",
}


def times(worker: WorkerProcess) -> Counter[tuple[str, str | None]]:
    """How often each event was logged, by part; every line has to be JSON."""
    lines = [json.loads(line) for line in worker.said().splitlines()]
    return Counter((line["event"], line.get("part")) for line in lines)


async def obstacles(worker: WorkerProcess) -> Any:
    answer = await worker.get("/readyz")
    assert answer is not None
    return answer.json()


async def kafka_is_missed(worker: WorkerProcess) -> bool:
    return bool(await obstacles(worker) == SILENT)


async def answers(worker: WorkerProcess) -> list[float]:
    return [await worker.metric("progress_kafka_answers", part=part) for part in PARTS]


async def answered(worker: WorkerProcess) -> bool:
    return await answers(worker) == [1, 1, 1]


async def tried_often(worker: WorkerProcess) -> bool:
    return await worker.metric("progress_retries_total", part="ingest") > 10


async def applied(deployment: Deployment) -> bool:
    return bool(fetch(deployment.database.owner_url, "SELECT 1 FROM completion"))


async def published(deployment: Deployment) -> bool:
    return not fetch(deployment.database.owner_url, "SELECT 1 FROM outbox")


def owe(deployment: Deployment) -> None:
    execute(
        deployment.database.owner_url,
        f"INSERT INTO outbox (topic, headers) VALUES ('{deployment.unlocked}', '[]')",
    )


@pytest.mark.parametrize(
    ("how", "busy"),
    [
        ("frozen", True),
        ("cut", False),
        pytest.param("frozen", False, marks=pytest.mark.faults),
        pytest.param("cut", True, marks=pytest.mark.faults),
    ],
)
async def test_a_kafka_that_does_not_answer_is_seen_by_every_part(
    impatient: Deploy, migrated_database: Database, how: str, busy: bool
) -> None:
    proxy = Proxy()
    with AdvertisedBroker(proxy.port) as broker:
        proxy.target_port = broker.port
        async with proxy:
            deployment = await impatient(proxy.address, migrated_database)
            deployment.variables |= QUICK
            async with deployment.worker() as worker:
                await wait_until(partial(answered, worker), "every part is answered")
                if how == "frozen":
                    os.kill(broker.pid, signal.SIGSTOP)
                else:
                    proxy.cut()
                if busy:
                    owe(deployment)
                await wait_until(partial(kafka_is_missed, worker), "every part misses Kafka")
                assert await answers(worker) == [0, 0, 0]
                assert await worker.metric("progress_ready") == 0
                alive = await worker.get("/livez")
                assert alive is not None
                assert alive.status_code == 200
                await asyncio.sleep(4)
                assert await kafka_is_missed(worker)
                if how == "frozen":
                    os.kill(broker.pid, signal.SIGCONT)
                else:
                    proxy.restore()
                await wait_until(worker.ready, "it is ready again by itself")
                await deployment.publish(completed("ada"))
                await wait_until(partial(applied, deployment), "it reads again")
                await wait_until(partial(published, deployment), "it publishes again")
                logged = times(worker)
    for part in PARTS:
        assert 1 <= logged["kafka_silent", part] <= 3, logged
        assert logged["kafka_silent_over", part] == 1, logged
    assert logged.total() < 45, logged


async def test_a_postgres_that_is_away_is_logged_once_by_every_part(
    impatient: Deploy, broker: Broker, migrated_database: Database
) -> None:
    port = int(migrated_database.worker_url.rpartition(":")[2].partition("/")[0])
    async with Proxy(port) as proxy:
        deployment = await impatient(broker.bootstrap, through(migrated_database, proxy.port))
        deployment.variables |= {
            "DATABASE_STATEMENT_TIMEOUT_SECONDS": "1",
            "RETRY_MAX_WAIT_SECONDS": "0.2",
        }
        async with deployment.worker() as worker:
            proxy.cut()
            await deployment.publish(completed("ada"))
            await wait_until(partial(worker.has_said, "database_silent"), "Postgres is missed")
            await wait_until(partial(tried_often, worker), "ingest tries again and again")
            proxy.restore()
            await wait_until(partial(applied, deployment), "it applies again")
            await wait_until(partial(worker.has_said, "database_silent_over"), "it is well again")
            logged = times(worker)
    errors = 4  # an outage may have these: ended, refused, no connection, too slow
    assert 1 <= logged["transient_failure", "ingest"] <= errors, logged
    assert logged["transient_failure_over", "ingest"] == 1
    assert logged["database_silent", None] <= errors
    assert logged["database_silent_over", None] == 1


async def test_a_mistake_of_ours_has_one_traceback(
    impatient: Deploy, broker: Broker, migrated_database: Database
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    await deployment.publish(completed("ada"))
    command = (sys.executable, str(Path(stuck.__file__)), "bug")
    async with deployment.worker(command, await_ready=False) as worker:
        assert await worker.ended() > 0
        logged = times(worker)
    assert logged["worker_stops", None] == 1
    assert worker.said().count("Traceback") == 1
    assert "nobody thought of this" in worker.said()


async def test_an_end_that_was_foreseen_has_no_traceback(
    impatient: Deploy, broker: Broker, migrated_database: Database
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    execute(migrated_database.owner_url, "DROP TABLE alembic_version")
    async with deployment.worker(await_ready=False) as worker:
        assert await worker.ended() == 1
    *lines, sentence = worker.said().splitlines()
    assert "progress-worker migrate" in sentence
    assert [json.loads(line)["event"] for line in lines if "migrate" in line] == ["worker_stops"]
    assert "Traceback" not in worker.said()
    assert "Reraising" not in worker.said()


@pytest.mark.faults
async def test_one_broker_of_three_that_hangs_is_not_a_silent_kafka(
    impatient: Deploy, three_brokers: Cluster, migrated_database: Database
) -> None:
    deployment = await impatient(
        three_brokers.bootstrap, migrated_database, idempotent=True, replication=3
    )
    deployment.variables |= QUICK | {"KAFKA_SESSION_TIMEOUT_SECONDS": "6"}
    node = three_brokers.nodes[0]
    async with deployment.worker() as worker:
        await wait_until(partial(answered, worker), "every part is answered")
        os.kill(node.pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                assert await answered(worker)
                await asyncio.sleep(0.5)
        finally:
            os.kill(node.pid, signal.SIGCONT)
        await wait_until(worker.ready, "it is ready")
