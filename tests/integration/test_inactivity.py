"""Learners who have done nothing for long are erased by the same command as anybody else."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Final, LiteralString

import pytest

from progress_worker.errors import ConfigurationError
from progress_worker.generator.wire import Wire
from progress_worker.walks.inactivity import NAME, DailySchedule, RequestErasures
from progress_worker.walks.walk import Walk
from tests.harness.erasing import PEPPER, Erased, mentions
from tests.harness.events import completed, excuse, preferences
from tests.harness.storage import fetch, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

#: The learners whose last day is 100 days before this are inactive; that day was 20 May.
NOW = dt.datetime(2026, 8, 28, 12, tzinfo=dt.UTC)
DAYS = 100
REQUESTED = "SELECT key, value, headers FROM outbox WHERE topic LIKE '%%commands' ORDER BY id"


@pytest.fixture
async def erased(deployment: Deployment) -> AsyncIterator[Erased]:
    async with projection(deployment.settings(ERASURE_PEPPER=PEPPER)) as parts:
        yield Erased(parts, deployment.database.owner_url)


TABLES: Final[dict[str, LiteralString]] = {
    "learner": "SELECT FROM learner",
    "erasure_receipt": "SELECT FROM erasure_receipt",
}


def walk_of(erased: Erased, now: dt.datetime = NOW) -> Walk:
    worker = erased.parts
    passenger = RequestErasures(DAYS, worker.messages, worker.outbox_filled, lambda: now)
    return Walk(worker.engine, passenger, time_limit_seconds=20, page_learners=2)


async def whole_pass(walk: Walk) -> int:
    changed = 0
    while True:
        step = await walk.step()
        assert step.worked == step.changed
        changed += step.changed
        if step.finished:
            return changed


async def test_who_is_inactive_is_requested_and_erased(erased: Erased) -> None:
    done = partial(completed, timezone="UTC")
    await erased.apply(
        done("long-gone", completed_at="2025-01-01T10:00:00Z"),
        done("just-gone", completed_at="2026-05-19T23:00:00Z"),
        done("last-day", completed_at="2026-05-20T01:00:00Z"),
        done("paused", completed_at="2026-01-01T10:00:00Z"),
        done("here", completed_at="2026-03-01T10:00:00Z"),
        done("here", completed_at="2026-03-02T10:00:00Z", timezone="Asia/Tokyo"),
    )
    await erased.command(excuse("paused", "2026-06-01"))
    await erased.command(excuse("only-excused", "2026-02-01"))
    await erased.apply(done("here", completed_at="2026-06-02T10:00:00Z"))
    await erased.apply(done("chooses", completed_at="2026-01-01T10:00:00Z"))
    for user, month in (("chooses", 6), ("chose", 2)):
        await erased.command(preferences(user, issued_at=f"2026-{month:02}-01T10:00:00Z"))
    walk = walk_of(erased)
    assert await whole_pass(walk) == 4
    requests = fetch(erased.url, REQUESTED)
    gone = ["chose", "just-gone", "long-gone", "only-excused"]
    assert [bytes(key).decode() for key, _, _ in requests] == gone
    # Sent again, it is the same request.
    assert await whole_pass(walk) == 4
    again = fetch(erased.url, REQUESTED)[4:]
    ids = [json.loads(bytes(value))["erasure_id"] for _, value, _ in requests]
    assert ids == [json.loads(bytes(value))["erasure_id"] for _, value, _ in again]
    for key, value, headers in (*requests, *again):
        sent = tuple((name, content.encode("latin-1")) for name, content in headers)
        await erased.command(Wire(bytes(key), bytes(value), sent))
    assert fetch(erased.url, "SELECT count(*) FROM erasure_receipt") == [(4,)]
    left = fetch(erased.url, "SELECT user_id FROM learner ORDER BY user_id")
    assert left == [("chooses",), ("here",), ("last-day",), ("paused",)]
    assert [mentions(erased.url, user).keys() for user in gone] == [{"outbox"}] * 4
    assert await whole_pass(walk) == 0


async def test_a_pass_a_day(erased: Erased) -> None:
    now = dt.datetime.now(dt.UTC)
    schedule = DailySchedule(erased.parts.engine, 20, lambda: now)
    assert await schedule.is_due()
    await erased.apply(completed("ada", completed_at="2020-01-01T10:00:00Z"))
    walk = walk_of(erased, now)
    while not (await walk.step()).finished:
        assert await schedule.is_due()
    assert not await schedule.is_due()
    tomorrow = DailySchedule(erased.parts.engine, 20, lambda: now + dt.timedelta(days=1, minutes=1))
    assert await tomorrow.is_due()
    assert fetch(erased.url, "SELECT after_user_id FROM walk WHERE name = %s", NAME) == [("",)]


async def test_a_worker_erases_them_by_itself(deployment: Deployment) -> None:
    url = deployment.database.owner_url
    today = dt.datetime.now(dt.UTC).isoformat()

    async def counted(table: str, rows: int) -> bool:
        return len(fetch(url, TABLES[table])) == rows

    async with deployment.worker(ERASURE_PEPPER=PEPPER):
        await deployment.publish(
            completed("gone", completed_at="2025-01-01T10:00:00Z"),
            completed("here", completed_at=today),
        )
        await wait_until(partial(counted, "learner", 2), "both are stored")
    async with deployment.worker(ERASURE_PEPPER=PEPPER, LEARNER_RETENTION_DAYS="30"):
        await wait_until(partial(counted, "erasure_receipt", 1), "the learner is erased")
    assert fetch(url, "SELECT user_id FROM learner") == [("here",)]
    assert mentions(url, "gone").keys() <= {"outbox"}


def test_it_needs_a_pepper(deployment: Deployment) -> None:
    with pytest.raises(ConfigurationError, match="ERASURE_PEPPER is not: nobody can be erased"):
        deployment.settings(LEARNER_RETENTION_DAYS="100")
