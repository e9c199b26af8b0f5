"""What the worker relies on, the same on the embedded broker and on Apache Kafka."""

from __future__ import annotations

import pytest

from progress_worker.kafka.topics import check_topics, create_topics
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess

pytestmark = pytest.mark.integration


async def test_topics_are_created_once_and_as_wanted(deployment: Deployment) -> None:
    settings = deployment.settings()
    assert await create_topics(settings) == []
    assert await check_topics(settings) == []
    assert await check_topics(deployment.settings(TOPIC_PARTITIONS="5")) == [
        f"The topic {deployment.completed} has 4 partitions instead of 5."
    ]


async def test_events_become_progress_and_the_next_worker_goes_on(deployment: Deployment) -> None:
    traffic = Traffic(deployment, seed=1, count=1_500, broken_share=0.05)
    async with deployment.worker() as first:
        await traffic.send(1_000)
        await traffic.drained()
        assert await first.terminate() == 0
    await traffic.send()
    async with deployment.worker() as second:
        assert await traffic.differences() == []
        assert await second.metric("progress_events_total") == 500
    assert any(record.reason for record in traffic.sent)


async def test_partitions_move_to_a_second_worker_and_back(deployment: Deployment) -> None:
    traffic = Traffic(deployment, seed=3, count=1_200)
    async with deployment.worker() as first:
        await traffic.send(400)
        async with deployment.worker() as second:
            await wait_until(lambda: _assigned(first, second, 2, 2), "each worker has partitions")
            await traffic.send(400)
            await traffic.drained()
            assert await second.metric("progress_events_total") > 0
            second.kill()
            await traffic.send()
            assert await traffic.differences() == []
        assert await first.metric("progress_assigned_partitions") == 4


async def _assigned(first: WorkerProcess, second: WorkerProcess, one: int, other: int) -> bool:
    name = "progress_assigned_partitions"
    return (await first.metric(name), await second.metric(name)) == (one, other)
