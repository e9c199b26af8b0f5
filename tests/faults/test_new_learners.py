"""New learners whose records are in several partitions: workers conflict, and go on."""

from __future__ import annotations

import time

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.harness.events import completed, wire
from tests.harness.ledger import Ledger
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

LEARNERS = 6_000
PARTITIONS = 8
SECONDS = 300.0


async def test_records_without_keys_bring_every_learner_to_both_lanes_at_once(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    deployment.completed += "-wide"
    await deployment.kafka.create(deployment.completed, partitions=PARTITIONS)
    for partition in range(PARTITIONS):
        keyless = (wire(completed(f"user-{n}"))._replace(key=None) for n in range(LEARNERS))
        await deployment.publish(*keyless, partition=partition)
    url, sent = migrated_database.owner_url, LEARNERS * PARTITIONS
    async with deployment.worker(LANES="2") as worker:
        began = time.monotonic()

        async def done() -> bool:
            return await worker.metric("progress_events_total") >= sent

        await wait_until(done, "all is applied", SECONDS)
        seconds = time.monotonic() - began
        conflicts = await worker.metric("progress_retries_total", part="ingest")
        assert await worker.metric("progress_events_total", outcome="applied") == sent
        assert await worker.terminate() == 0, worker.said()
    counts = "SELECT count(*), min(completions), max(completions) FROM learner_total"
    assert fetch(url, counts) == [(LEARNERS, PARTITIONS, PARTITIONS)]
    assert fetch(url, "SELECT count(*) FROM completion") == [(sent,)]
    assert fetch(url, "SELECT count(*) FROM learner") == [(LEARNERS,)]
    assert conflicts > 0
    ledger.note(f"{sent:,} keyless records: {seconds:.0f} s, {conflicts:.0f} batches tried again")
