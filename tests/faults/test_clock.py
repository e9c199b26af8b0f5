"""The worker's clock jumps while events flow; nothing is lost or doubled, no alarm is false."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness.clock import Clock, NoFaketimeError
from tests.harness.events import completed
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.storage import Rows, fetch
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until
from tests.harness.worker import WORKER, WorkerProcess, run_command

pytestmark = pytest.mark.integration

HOUR, DAY = 3_600, 86_400


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    try:
        return Clock(tmp_path)
    except NoFaketimeError as error:
        pytest.skip(f"no clock can be set here: {error}")


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_jumps(
    impatient: Deploy,
    broker: Broker,
    migrated_database: Database,
    clock: Clock,
    ledger: Ledger,
    seed: int,
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, count=20_000)
    rng = random.Random(seed)
    jumps = [HOUR, -HOUR, rng.randint(2, 40) * DAY, -rng.randint(1, 3) * DAY]
    rng.shuffle(jumps)
    async with Fleet(deployment, 2, clock.command(*WORKER)) as fleet:
        for seconds in [*jumps, 0]:
            await traffic.send(200, rate=400)
            clock.set_off(seconds)

            async def gone_on(seconds: int = seconds) -> bool:
                await traffic.send(50, rate=400)
                return await fleet.ready() and all(
                    [await by_the_clock(worker, seconds) for worker in fleet.workers]
                )

            await wait_until(gone_on, f"both commit by a clock that is {seconds} s off")
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
        assert await fleet.ready()
    ledger.add("the workers' clock jumped", traffic, len(jumps))


async def by_the_clock(worker: WorkerProcess, seconds: int) -> bool:
    """Whether the last batch was committed with a clock that is this far off."""
    stamp = await worker.metric("progress_last_progress_timestamp_seconds")
    return abs(stamp - time.time() - seconds) < 60


async def test_what_a_late_clock_refused_is_told_and_comes_back(
    impatient: Deploy, broker: Broker, migrated_database: Database, clock: Clock
) -> None:
    """With a clock that is behind, present events lie in the future and are dead-lettered."""
    deployment = await impatient(broker.bootstrap, migrated_database)
    event = completed("ada", completed_at=dt.datetime.now(dt.UTC).isoformat())
    clock.set_off(-HOUR)
    async with deployment.worker(clock.command(*WORKER)) as worker:
        await deployment.publish(event)
        (letter,) = await deployment.kafka.read(deployment.dead_letters, 1)
        assert dict(letter.headers)["dlq.reason"] == b"time_out_of_range"
        assert await worker.metric("progress_dead_letters_total", reason="time_out_of_range") == 1
    assert stored(migrated_database) == []
    redrive = ("dlq", "redrive", "--reason", "time_out_of_range")
    async with deployment.worker():
        done = await asyncio.to_thread(run_command, deployment.environment(), *redrive)
        assert done.returncode == 0, done.stderr

        async def counts() -> bool:
            return stored(migrated_database) == [(event["event_id"],)]

        await wait_until(counts, "the event that came back counts")


def stored(database: Database) -> Rows:
    return fetch(database.owner_url, "SELECT event_id::text FROM completion")
