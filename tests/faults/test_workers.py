"""Workers are killed, frozen and multiplied while events flow; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness import die_at
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until
from tests.harness.worker import WorkerProcess

pytestmark = pytest.mark.integration

#: The steps between two writes that must both happen.
CRUCIAL = ["database_committed", "produced"]
#: The relay may publish everything that 400 events unlock in a single go.
RELAYED = {"read_from_outbox", "produced", "deleted"}
LAUNCHER = str(Path(die_at.__file__))


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=6))
async def test_killed_at_each_step_of_a_batch(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, fair=True)
    rng = random.Random(seed)
    steps = rng.sample(sorted(die_at.STEPS), len(die_at.STEPS)) if seed else CRUCIAL
    for step in steps:
        await traffic.send(400)
        nth = 1 if step in RELAYED else rng.randint(1, 3)
        command = (sys.executable, LAUNCHER, step, str(nth))
        async with deployment.worker(command, await_ready=False) as worker:
            assert await worker.ended() == -signal.SIGKILL, worker.said()
    async with Fleet(deployment):
        await traffic.send()
        assert await traffic.differences() == []
    ledger.add("worker killed at a step", traffic, len(steps))


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=6))
async def test_killed_at_random_moments(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, fair=True)
    rng = random.Random(seed)
    async with Fleet(deployment, 2) as fleet:
        async with traffic.flowing(rate=250):
            while not traffic.all_sent:
                await asyncio.sleep(rng.uniform(0.2, 3))
                fleet.kill(rng.randrange(2))
        assert await traffic.differences() == []
        assert fleet.last_words == []
        assert traffic.lost
        ledger.add("worker killed at a random moment", traffic, len(fleet.ends))


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=4))
async def test_frozen_past_the_session_timeout(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, fair=True)
    rng = random.Random(seed)
    async with Fleet(deployment, 2) as fleet:
        async with traffic.flowing(rate=250):
            for _ in range(2):
                await asyncio.sleep(rng.uniform(0.5, 2))
                zombie, heir = rng.sample(list(fleet.workers), 2)
                zombie.process.send_signal(signal.SIGSTOP)
                try:
                    await wait_until(partial(owns_all, heir), "the other one takes over")
                finally:
                    zombie.process.send_signal(signal.SIGCONT)
        assert await traffic.differences() == []
        ledger.add("worker frozen past its session", traffic, 2)


async def owns_all(worker: WorkerProcess) -> bool:
    return await worker.metric("progress_assigned_partitions") == 4


@pytest.mark.parametrize("seed", rounds(quick=0, all_in_all=4))
async def test_one_four_and_one_worker(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, fair=True)
    async with Fleet(deployment) as fleet:
        async with traffic.flowing(rate=200):
            await fleet.scale(4)
            await wait_until(partial(shared_evenly, fleet), "each has one partition")
            await asyncio.sleep(1)
            await fleet.scale(1)
        assert await traffic.differences() == []
        assert fleet.ends == [0, 0, 0]
    ledger.add("workers 1, 4, 1", traffic, 6)


async def shared_evenly(fleet: Fleet) -> bool:
    if not await fleet.ready():
        return False
    assigned = [await w.metric("progress_assigned_partitions") for w in fleet.workers]
    return assigned == [1, 1, 1, 1]


@pytest.mark.parametrize("seed", rounds(quick=0, all_in_all=4))
async def test_a_rolling_restart(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, fair=True)
    rng = random.Random(seed)
    async with Fleet(deployment, 3) as fleet:
        async with traffic.flowing(rate=250):
            for worker in list(fleet.workers):
                await asyncio.sleep(rng.uniform(0, 1))
                worker.process.terminate()
                await worker.ended()
                await wait_until(fleet.ready, "its successor is ready")
        assert await traffic.differences() == []
        assert fleet.ends == [0, 0, 0]
    ledger.add("workers restarted one after the other", traffic, 3)
