"""Records gather while the worker keeps up, and only then; a stop or a rebalance ends the wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from progress_worker.app import Worker
from tests.harness.events import completed
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

#: The longest wait that the settings allow.
LONGEST = "1"
TRICKLE = 40


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[AIOKafkaConsumer]:
    """The consumer of each pause, in order."""
    seen: list[AIOKafkaConsumer] = []
    pause = AIOKafkaConsumer.pause

    def noted(consumer: AIOKafkaConsumer, *partitions: Any) -> None:
        seen.append(consumer)
        pause(consumer, *partitions)

    monkeypatch.setattr(AIOKafkaConsumer, "pause", noted)
    return seen


@asynccontextmanager
async def ingesting(deployment: Deployment, **changes: str) -> AsyncIterator[Worker]:
    """The ingest of a worker without its other services, running in this process."""
    worker = Worker(deployment.settings(**changes))
    await worker.ingest.start()
    try:

        async def ready() -> bool:
            return worker.ingest.ready

        await wait_until(ready, "the group gave partitions")
        yield worker
    finally:
        await worker.ingest.stop()
        await worker.engine.dispose()


async def applied(deployment: Deployment, count: int) -> bool:
    rows = fetch(deployment.database.owner_url, "SELECT count(*) FROM completion")
    return int(rows[0][0]) >= count


async def trickle(deployment: Deployment, count: int = TRICKLE) -> None:
    """Send events one by one."""
    for number in range(count):
        await deployment.publish(completed(f"learner-{number}"))


def batches(worker: Worker) -> float:
    return worker.metrics.registry.get_sample_value("progress_batch_events_count") or 0.0


def duplicates(worker: Worker) -> float:
    labels = {"outcome": "duplicate"}
    return worker.metrics.registry.get_sample_value("progress_events_total", labels) or 0.0


async def committed(deployment: Deployment) -> int:
    found = await deployment.kafka.committed(deployment.group, deployment.completed)
    return sum(found.values())


async def waiting(worker: Worker) -> None:
    """Return while the partitions are paused and no batch is in hand."""

    async def at_rest() -> bool:
        consumer, partitions = worker.ingest._consumer, worker.ingest._partitions
        assert consumer is not None
        assert partitions is not None
        return bool(consumer.paused()) and not partitions._in_hand

    await wait_until(at_rest, "records gather")


async def test_a_trickle_makes_few_batches(
    deployment: Deployment, pauses: list[AIOKafkaConsumer]
) -> None:
    async with ingesting(deployment, BATCH_WAIT_SECONDS=LONGEST) as worker:
        await trickle(deployment)
        await wait_until(partial(applied, deployment, TRICKLE), "everything is applied")
        assert batches(worker) <= TRICKLE / 2
        assert pauses


async def test_without_a_wait_nothing_is_paused(
    deployment: Deployment, pauses: list[AIOKafkaConsumer]
) -> None:
    async with ingesting(deployment, BATCH_WAIT_SECONDS="0") as worker:
        await trickle(deployment)
        await wait_until(partial(applied, deployment, TRICKLE), "everything is applied")
        assert batches(worker) > 1
    assert not pauses


async def test_a_backlog_does_not_wait(
    deployment: Deployment, pauses: list[AIOKafkaConsumer]
) -> None:
    """Only its last batches, which leave nothing to read, may."""
    events = [completed(f"learner-{n % 50}") for n in range(2_000)]
    await deployment.publish(*events)
    settings = {"BATCH_MAX_EVENTS": "50", "BATCH_WAIT_SECONDS": LONGEST}
    async with ingesting(deployment, **settings) as worker:
        await wait_until(partial(applied, deployment, len(events)), "everything is applied")
        assert batches(worker) >= len(events) / 50
        assert len(pauses) <= 4


async def test_a_stop_ends_the_wait(deployment: Deployment) -> None:
    """What was applied is committed, and what came meanwhile is left to the successor."""
    async with ingesting(deployment, BATCH_WAIT_SECONDS=LONGEST) as worker:
        traffic = asyncio.create_task(trickle(deployment))
        await waiting(worker)
        await worker.ingest.stop()
        rows = fetch(deployment.database.owner_url, "SELECT count(*) FROM completion")
        assert await committed(deployment) == rows[0][0] > 0
        await traffic
    async with ingesting(deployment) as successor:
        await wait_until(partial(applied, deployment, TRICKLE), "everything is applied")
        assert duplicates(successor) == 0


async def test_a_rebalance_ends_the_wait(deployment: Deployment) -> None:
    """Both workers go on with what the first one has committed."""
    async with ingesting(deployment, BATCH_WAIT_SECONDS=LONGEST) as first:
        traffic = asyncio.create_task(trickle(deployment, 3 * TRICKLE))
        await waiting(first)
        async with ingesting(deployment, BATCH_WAIT_SECONDS=LONGEST) as second:
            await traffic
            await wait_until(partial(applied, deployment, 3 * TRICKLE), "everything is applied")
            rebalances = "progress_rebalances_total"
            assert first.metrics.registry.get_sample_value(rebalances) == 1
            assert batches(second) > 0
            assert duplicates(first) + duplicates(second) == 0
