"""Producers that write in transactions: what is committed counts, and nothing else does."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from progress_worker.embedded.database import Database
from progress_worker.generator.wire import Wire
from tests.harness.apache_kafka import Cluster
from tests.harness.deploying import deploy
from tests.harness.events import completed
from tests.harness.storage import fetch
from tests.harness.transactions import transactions
from tests.harness.waiting import LIMIT_SECONDS, wait_until
from tests.harness.worker import Deployment, WorkerProcess, run_command

pytestmark = pytest.mark.integration

#: A short limit for stalls, and the time after which a stalled worker would have ended.
STALL_TIMEOUT_SECONDS = "3"
UNTIL_IT_ENDS_SECONDS = 7
#: The worker observes its lag every second.
SILENCE_SECONDS = 1.5


@pytest.fixture
async def deployment(
    apache_kafka: Cluster, migrated_database: Database, tmp_path: Path
) -> Deployment:
    """A deployment of this test alone, without a worker."""
    return await deploy(apache_kafka.bootstrap, migrated_database, tmp_path, idempotent=True)


def learners(deployment: Deployment) -> list[str]:
    rows = fetch(deployment.database.owner_url, "SELECT user_id FROM completion ORDER BY user_id")
    return [user_id for (user_id,) in rows]


async def applied(deployment: Deployment, *user_ids: str) -> None:
    async def reached() -> bool:
        return learners(deployment) == sorted(user_ids)

    await wait_until(reached, f"{user_ids} are applied")


async def committed(deployment: Deployment, offset: int) -> None:
    """Wait until the group has committed this offset of partition 0."""

    async def reached() -> bool:
        offsets = await deployment.kafka.committed(deployment.group, deployment.completed)
        return offsets.get(0) == offset

    await wait_until(reached, f"offset {offset} is committed")


async def lag(worker: WorkerProcess, partition: str = "0") -> tuple[float, float]:
    return (
        await worker.metric("progress_lag_events", partition=partition),
        await worker.metric("progress_lag_seconds", partition=partition),
    )


async def without_lag(worker: WorkerProcess) -> None:
    """Wait until no record waits, and check that this stays so without new records."""

    async def none() -> bool:
        return await lag(worker) == (0, 0)

    await wait_until(none, "no lag")
    until = time.monotonic() + SILENCE_SECONDS
    while time.monotonic() < until:
        assert await lag(worker) == (0, 0)
        await asyncio.sleep(0.2)


async def test_what_is_aborted_counts_nowhere(deployment: Deployment) -> None:
    bootstrap, topic = deployment.kafka.bootstrap, deployment.completed
    async with transactions(bootstrap, topic) as one, transactions(bootstrap, topic) as other:
        await one.commit(completed("kept"))
        await other.abort(completed("rolled-back"))
        async with deployment.worker() as worker:
            await applied(deployment, "kept")
            # Interleaved: each ends while the other is open.
            await one.begin(completed("one-kept"))
            await other.begin(completed("other-aborted"))
            await deployment.publish(completed("alone"), partition=0)
            await one.commit()
            await one.begin(completed("one-aborted"))
            await other.abort()
            await other.begin(completed("other-kept"))
            await one.abort()
            await other.commit()
            await committed(deployment, 13)
            await without_lag(worker)
    kept = ["alone", "kept", "one-kept", "other-kept"]
    assert learners(deployment) == kept
    found = await deployment.kafka.read(deployment.unlocked, len(kept))
    assert sorted({record.key.decode() for record in found}) == kept


@pytest.mark.parametrize(
    "seconds", [UNTIL_IT_ENDS_SECONDS, pytest.param(60, marks=pytest.mark.faults)]
)
async def test_an_open_transaction_holds_its_partition_back_and_ends_nothing(
    deployment: Deployment, seconds: float
) -> None:
    withheld = "progress_withheld_seconds"
    async with (
        transactions(deployment.kafka.bootstrap, deployment.completed) as producer,
        deployment.worker(STALL_TIMEOUT_SECONDS=STALL_TIMEOUT_SECONDS) as worker,
    ):
        await producer.begin(completed("open"))
        await deployment.publish(completed("behind"), partition=0)
        await deployment.publish(completed("elsewhere"), partition=1)

        async def stood_long() -> bool:
            return await worker.metric(withheld, partition="0") > seconds

        await wait_until(stood_long, "the records are withheld", seconds + LIMIT_SECONDS)
        assert learners(deployment) == ["elsewhere"]
        assert await lag(worker) == (0, 0)
        assert await worker.metric(withheld, partition="1") == 0
        await producer.commit()
        await applied(deployment, "behind", "elsewhere", "open")
        await without_lag(worker)
        assert await worker.metric(withheld) == 0
        assert await worker.terminate() == 0, worker.said()


async def test_a_partition_that_ends_with_a_control_record_has_no_lag(
    deployment: Deployment,
) -> None:
    async with transactions(deployment.kafka.bootstrap, deployment.completed) as producer:
        await producer.commit(completed("kept"))
        async with deployment.worker(STALL_TIMEOUT_SECONDS=STALL_TIMEOUT_SECONDS) as worker:
            await applied(deployment, "kept")
            await without_lag(worker)
            await committed(deployment, 2)
            # For longer than a stall takes, all records are aborted.
            until = time.monotonic() + UNTIL_IT_ENDS_SECONDS
            while time.monotonic() < until:
                await producer.abort(completed("rolled-back"))
            await without_lag(worker)
            assert await worker.terminate() == 0, worker.said()
        async with deployment.worker() as successor:
            await without_lag(successor)


async def test_a_partition_whose_end_is_deleted_has_no_lag(deployment: Deployment) -> None:
    async with transactions(deployment.kafka.bootstrap, deployment.completed) as producer:
        await producer.commit(completed("kept"))
        async with deployment.worker() as worker:
            await applied(deployment, "kept")
            assert await worker.terminate() == 0, worker.said()
        await producer.commit(completed("deleted"))
        await deployment.kafka.delete_records(deployment.completed, {0: -1})
        async with deployment.worker() as successor:
            await without_lag(successor)
            assert await successor.metric("progress_offset_resets_total") == 1
            await committed(deployment, 4)
            await producer.commit(completed("later"))
            await applied(deployment, "kept", "later")


async def test_an_aborted_command_is_not_carried_out(deployment: Deployment) -> None:
    command = {
        user_id: Wire(user_id.encode(), b'{"user_id": "%s"}' % user_id.encode(), ())
        for user_id in ("asked", "taken-back")
    }

    async def version(user_id: str) -> int:
        query = "SELECT version FROM learner WHERE user_id = %s"
        return sum(row[0] for row in fetch(deployment.database.owner_url, query, user_id))

    await deployment.publish(*map(completed, command))
    async with (
        transactions(deployment.kafka.bootstrap, deployment.commands) as producer,
        deployment.worker(),
    ):
        await applied(deployment, *command)
        before = await version("asked"), await version("taken-back")
        await producer.abort(command["taken-back"])
        await producer.commit(command["asked"])

        async def carried_out() -> bool:
            return await version("asked") > before[0]

        await wait_until(carried_out, "the committed command is carried out")
        assert await version("taken-back") == before[1]


async def test_dead_letters_end_at_a_control_record(deployment: Deployment) -> None:
    broken = [Wire(b"user-%d" % n, b"broken", ()) for n in range(3)]
    async with deployment.worker():
        await deployment.publish(*broken)
        letters = await deployment.kafka.read(deployment.dead_letters, len(broken))
    last = max(letters, key=lambda letter: (letter.partition, letter.offset))
    copy = Wire(last.key, last.value, tuple(last.headers))
    async with transactions(
        deployment.kafka.bootstrap, deployment.dead_letters, last.partition
    ) as producer:
        await producer.abort(copy)
        await producer.commit(copy)
        await producer.abort(copy)
        await producer.begin(copy)
        assert "4 dead letters: 4 " in said(deployment, "list")
        assert "Re-drove 4 dead letters" in said(deployment, "redrive")
        assert "Re-drove 0 dead letters" in said(deployment, "redrive")
        stored = await deployment.kafka.committed(
            f"{deployment.group}-redrive", deployment.dead_letters
        )
        assert stored[last.partition] == last.offset + 1 + 2 + 2 + 2
        await producer.abort()
        assert "4 dead letters: 4 " in said(deployment, "list")


def said(deployment: Deployment, *arguments: str) -> str:
    done = run_command(deployment.environment(), "dlq", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout
