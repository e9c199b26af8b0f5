"""A worker that makes no progress although there is work ends itself and says why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.harness import stuck
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.traffic import Traffic

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("apply", "No progress for "),
        ("deaf", "Kafka holds records of partitions "),
        pytest.param("for_good", "No progress for ", marks=pytest.mark.faults),
        pytest.param("join", "The group gave no partitions for ", marks=pytest.mark.faults),
    ],
)
async def test_a_stuck_worker_ends_and_its_successor_goes_on(
    impatient: Deploy,
    broker: Broker,
    migrated_database: Database,
    ledger: Ledger,
    where: str,
    reason: str,
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    deployment.variables |= {"STALL_TIMEOUT_SECONDS": "2", "KAFKA_REBALANCE_TIMEOUT_SECONDS": "4"}
    traffic = Traffic(deployment, seed=0, count=600)
    await traffic.send()
    command = (sys.executable, str(Path(stuck.__file__)), where)
    async with deployment.worker(command, await_ready=False) as worker:
        assert await worker.ended() > 0
        assert f"\n{reason}" in worker.said(), worker.said()
    async with Fleet(deployment):
        assert await traffic.differences() == []
    ledger.add("worker stuck", traffic, 1)
