"""Thousands of erasures at once, beside live events, with workers that are killed."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter
from functools import partial

import pytest

from progress_worker.demo.read import read_topic
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.harness.apache_kafka import Cluster
from tests.harness.events import completed, erasure
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

PEPPER = "a secret of the tests"
DAYS = 3
SECONDS = 600.0


@pytest.mark.parametrize("erased", [300, pytest.param(10_000, marks=pytest.mark.faults)])
async def test_erasures_beside_live_events(
    impatient: Deploy,
    apache_kafka: Cluster,
    migrated_database: Database,
    ledger: Ledger,
    erased: int,
) -> None:
    """Each erased learner has the day after the barrier and no other; nobody else loses one."""
    deployment = await impatient(apache_kafka.bootstrap, migrated_database, idempotent=True)
    deployment.variables["ERASURE_PEPPER"] = PEPPER
    url = migrated_database.owner_url
    gone = [f"gone-{number}" for number in range(erased)]
    kept = [f"kept-{number}" for number in range(erased // 5)]
    barrier = f"2026-03-{DAYS + 1:02}T00:00:00Z"
    async with Fleet(deployment, 2) as fleet:
        await deployment.publish(*(day_of(user, 1) for user in (*gone, *kept)))
        await wait_until(partial(learners, url, len(gone) + len(kept)), "all begin", SECONDS)
        began = time.monotonic()
        killing = asyncio.create_task(kill(fleet, 2 + erased // 2_000))
        await deployment.kafka.publish(
            deployment.commands, [erasure(user, barrier) for user in gone]
        )
        for day in (*range(2, DAYS + 1), DAYS + 2):
            await deployment.publish(*(day_of(user, day) for user in (*gone, *kept)))
        await wait_until(partial(receipts, url, erased), "all are erased", SECONDS)
        seconds = time.monotonic() - began
        await killing
        # Everything again, as after a replay from the beginning.
        for day in (*range(1, DAYS + 1), DAYS + 2):
            await deployment.publish(*(day_of(user, day) for user in (*gone, *kept)))
        sent = 2 * (DAYS + 1) * (len(gone) + len(kept))
        await wait_until(partial(caught_up, deployment, sent), "all is read", SECONDS)
        await wait_until(partial(published, url), "all is published", SECONDS)
    days = fetch(url, "SELECT user_id, count(*), min(local_day) FROM completion GROUP BY user_id")
    first, last = dt.date(2026, 3, 1), dt.date(2026, 3, DAYS + 2)
    assert dict.fromkeys(gone, (1, last)) | dict.fromkeys(kept, (DAYS + 1, first)) == {
        user: (count, day) for user, count, day in days
    }
    sums = fetch(url, "SELECT user_id, sum(completions) FROM learner_day GROUP BY user_id")
    assert {user: int(count) for user, count in sums} == {user: n for user, n, _ in days}
    told = await read_topic(deployment.settings(), deployment.erased, limit_seconds=120)
    assert Counter(record.key for record in told).keys() == {user.encode() for user in gone}
    ledger.note(f"{erased:,} erasures beside live events, workers killed: {seconds:.0f} s")


def day_of(user: str, day: int) -> dict[str, object]:
    """One exercise of that day; the same each time it is asked for."""
    return completed(
        user,
        event_id=f"{day:08}-0000-4000-8000-{hash_of(user):012x}",
        completed_at=f"2026-03-{day:02}T10:00:00Z",
    )


def hash_of(user: str) -> int:
    kind, _, number = user.partition("-")
    return int(number) + (1_000_000 if kind == "kept" else 0)


async def kill(fleet: Fleet, times: int) -> None:
    for number in range(times):
        await asyncio.sleep(4)
        fleet.kill(number % 2)


async def learners(url: str, wanted: int) -> bool:
    return fetch(url, "SELECT count(*) FROM learner") == [(wanted,)]


async def receipts(url: str, wanted: int) -> bool:
    return fetch(url, "SELECT count(*) FROM erasure_receipt") == [(wanted,)]


async def published(url: str) -> bool:
    return fetch(url, "SELECT count(*) FROM outbox WHERE parked IS NULL") == [(0,)]


async def caught_up(deployment: Deployment, sent: int) -> bool:
    """Whether the group has committed as many exercises as were sent, each of them once."""
    committed = await deployment.kafka.committed(deployment.group, deployment.completed)
    return sum(committed.values()) == sent
