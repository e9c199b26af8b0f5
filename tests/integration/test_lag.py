"""The lag of partitions, and latencies of records without a usable time."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest

from tests.harness.events import completed, wires
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess

pytestmark = pytest.mark.integration

PARTITIONS = 4
#: Unknown, none, seconds instead of milliseconds, microseconds instead of milliseconds.
NO_TIMES = (-1, 0, 1_764_090_000, 1_764_090_000_000_000)
#: Longer than any test takes.
A_WHILE = 600
LATENCY = "progress_unlock_commit_latency_seconds"


async def lags(worker: WorkerProcess, name: str) -> list[float]:
    return [await worker.metric(name, partition=str(n)) for n in range(PARTITIONS)]


async def equal(worker: WorkerProcess, wanted: list[float]) -> bool:
    return await lags(worker, "progress_lag_events") == wanted


async def test_a_partition_that_was_never_read_from_has_a_lag(deployment: Deployment) -> None:
    for number in range(PARTITIONS - 1):
        events = [completed(f"learner-{number}") for _ in range(5 + number)]
        await deployment.publish(*events, partition=number)
    with psycopg.connect(deployment.database.owner_url) as other:
        other.execute("LOCK TABLE learner IN ACCESS EXCLUSIVE MODE")
        async with deployment.worker(LANES="1", BATCH_MAX_EVENTS="1") as worker:
            await wait_until(partial(equal, worker, [5, 6, 7, 0]), "every partition has its lag")
            ages = await lags(worker, "progress_lag_seconds")
            assert all(0 < age < A_WHILE for age in ages[:-1])
            assert ages[-1] == 0
            other.rollback()
            await wait_until(partial(equal, worker, [0, 0, 0, 0]), "all is applied")
            assert await lags(worker, "progress_lag_seconds") == [0, 0, 0, 0]
    committed = await deployment.kafka.committed(deployment.group, deployment.completed)
    assert committed == {0: 5, 1: 6, 2: 7, 3: 0}


async def test_a_record_without_a_time_is_not_observed(deployment: Deployment) -> None:
    kafka, topic = deployment.kafka, deployment.completed
    with psycopg.connect(deployment.database.owner_url) as other:
        other.execute("LOCK TABLE learner IN ACCESS EXCLUSIVE MODE")
        for number, timestamp in enumerate(NO_TIMES):
            wire = wires([completed(f"learner-{number}")])
            await kafka.publish(topic, wire, number, timestamp=timestamp)
        async with deployment.worker(LANES="1") as worker:
            await wait_until(partial(equal, worker, [1, 1, 1, 1]), "the records are in hand")
            assert all(0 <= age < A_WHILE for age in await lags(worker, "progress_lag_seconds"))
            other.rollback()
            await wait_until(partial(equal, worker, [0, 0, 0, 0]), "all is applied")
            assert fetch(deployment.database.owner_url, "SELECT 1 FROM achievement_unlock")
            assert await worker.metric(f"{LATENCY}_count") == 0
            await deployment.publish(completed("learner-with-a-time"))

            async def observed() -> bool:
                return await worker.metric(f"{LATENCY}_count") > 0

            await wait_until(observed, "the record with a time is observed")
            assert await worker.metric(f"{LATENCY}_sum") < A_WHILE
