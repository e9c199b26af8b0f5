"""Excuses on a real worker: their order beside completions decides nothing that it may not."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from functools import partial
from typing import LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from progress_worker.domain.excuses import Excuse, excused_days
from progress_worker.domain.reducer import apply
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.errors import LearnerChangedError
from progress_worker.events.identities import unlock_event_id
from progress_worker.generator.wire import Wire
from progress_worker.ingest.decode import Decoder
from progress_worker.storage.write.batches import load
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.excuses import store_excuse
from progress_worker.storage.write.saving import Changes, save
from progress_worker.walks.housekeeping import Housekeeping
from tests.harness.events import Event, completed, excuse, records
from tests.harness.storage import BOOK, BOOKS, execute, fetch, projection
from tests.harness.telling import FAIR, WITHOUT_FREEZES, Fair
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment
from tests.integration.test_walk import Ruled, differences

pytestmark = pytest.mark.integration

FIRST = Excuse(
    "ada",
    UUID(int=1),
    0,
    False,
    dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
    "pause",
    dt.date(2026, 3, 1),
    dt.date(2026, 3, 1),
)
ALL = ["first", "four_days", "three", "two_days"]
EXCUSED = "SELECT excused_days::text FROM learner WHERE user_id = %s"


def ruled(fair: Fair) -> Ruled:
    """The same parts with what the tests of the walk can do."""
    return Ruled(fair.parts, fair.url)


def on(day: int, user_id: str = "ada", **changes: object) -> Event:
    """A completion on that day of March."""
    return completed(user_id, completed_at=f"2026-03-{day:02}T10:00:00Z", **changes)


def march(first: int, last: int | None = None, user_id: str = "ada", **fields: object) -> Wire:
    """An excuse for days of March."""
    return excuse(user_id, f"2026-03-{first:02}", f"2026-03-{last or first:02}", **fields)


async def test_two_missed_days_cost_more_than_one_freeze(fair: Fair) -> None:
    await fair.tell(*(on(day) for day in (1, 2, 3, 6)))
    assert "four_days" not in fair.unlocked()


@pytest.mark.parametrize("place", range(5))
async def test_before_between_and_after_completions(fair: Fair, place: int) -> None:
    """Of the days 1, 2, 3 and 6, one freeze pays for day 4 if day 5 is excused."""
    facts: list[Event | Wire] = [on(day) for day in (1, 2, 3, 6)]
    last = facts[-1]
    assert isinstance(last, dict)
    facts.insert(place, march(5))
    await fair.tell(*facts)
    assert fair.excused() == "{[2026-03-05,2026-03-06)}"
    assert fair.unlocked() == ALL
    (unlock,) = fair.rows(
        "SELECT triggering_event_id::text, local_day::text, value, backdated"
        " FROM achievement_unlock WHERE achievement_id = 'four_days'"
    )
    assert unlock == (last["event_id"], "2026-03-06", 4, place == 4)
    ids = [message["event_id"] for message in fair.published()]
    assert ids.count(unlock_event_id("ada", "four_days")) == 1
    assert len(ids) == len(set(ids)) == 4
    assert not await differences(ruled(fair))


async def test_the_trigger_is_the_first_in_order_of_work_not_of_arrival(fair: Fair) -> None:
    days = {day: on(day) for day in (8, 6, 3, 2, 1, 7)}
    await fair.tell(*days.values())
    assert "four_days" not in fair.unlocked()
    await fair.tell(march(5), march(4), march(5))
    query = "SELECT triggering_event_id::text, unlocked_at FROM achievement_unlock"
    (unlock,) = fair.rows(query + " WHERE achievement_id = 'four_days'")
    assert unlock == (days[6]["event_id"], dt.datetime(2026, 3, 6, 10, tzinfo=dt.UTC))
    (message,) = (m for m in fair.published() if m["achievement_id"] == "four_days")
    assert message["backdated"] is True
    assert message["triggering_event_id"] == days[6]["event_id"]
    assert message["unlocked_at"] == "2026-03-06T10:00:00Z"


async def test_the_highest_revision_counts_whatever_the_order(fair: Fair) -> None:
    identity = str(uuid4())
    await fair.tell(
        on(1),
        march(5, 7, excuse_id=identity, revision=1),
        march(9, excuse_id=identity, revision=0),
        march(9, excuse_id=identity, revision=1),
    )
    assert fair.excused() == "{[2026-03-05,2026-03-08)}"
    await fair.tell(march(6, excuse_id=identity, revision=3), march(8, 9), march(9, 11))
    assert fair.excused() == "{[2026-03-06,2026-03-07),[2026-03-08,2026-03-12)}"
    before = fair.rows("SELECT version FROM learner")
    await fair.tell(march(6, excuse_id=identity, revision=2, revoked=True))
    assert fair.rows("SELECT version FROM learner") == before
    assert not await differences(ruled(fair))


async def test_a_revocation_takes_the_days_back_and_no_unlock(fair: Fair) -> None:
    identity = str(uuid4())
    await fair.tell(*(on(day) for day in (1, 2, 3, 6)), march(5, excuse_id=identity))
    assert fair.unlocked() == ALL
    await fair.tell(march(5, excuse_id=identity, revision=1, revoked=True))
    assert fair.excused() == "{}"
    assert fair.unlocked() == ALL
    await fair.tell(march(5, excuse_id=identity, revision=2))
    assert fair.excused() == "{[2026-03-05,2026-03-06)}"
    assert fair.unlocked() == ALL
    assert len(fair.published()) == 4
    assert not await differences(ruled(fair))


async def test_an_excuse_may_be_the_first_fact_of_a_learner(fair: Fair) -> None:
    await fair.tell(march(5))
    row = fair.rows("SELECT active_days::text, excused_days::text, first_version FROM learner")
    ((active, excused, first),) = row
    assert (active, excused) == ("{}", "{[2026-03-05,2026-03-06)}")
    assert first > 1_700_000_000_000_000
    assert fair.published() == []
    await fair.tell(*(on(day) for day in (1, 2, 3, 6)))
    assert fair.unlocked() == ALL
    assert fair.rows("SELECT first_version, version FROM learner") == [(first, first + 4)]


async def test_an_excuse_beside_a_first_completion_that_is_not_committed(fair: Fair) -> None:
    async with await psycopg.AsyncConnection.connect(fair.url, connect_timeout=10) as other:
        await save_first(other, on(3))
        excusing = asyncio.create_task(fair.tell(march(4)))
        await wait_until(partial(waits, fair.url), "the command waits for the learner's row")
        await other.commit()
        await excusing
    row = fair.rows("SELECT active_days::text, excused_days::text FROM learner")
    assert row == [("{[2026-03-03,2026-03-04)}", "{[2026-03-04,2026-03-05)}")]
    assert fair.rows("SELECT count(*) FROM excuse") == [(1,)]


async def test_a_first_completion_beside_an_excuse_that_is_not_committed(fair: Fair) -> None:
    async with await psycopg.AsyncConnection.connect(fair.url, connect_timeout=10) as other:
        day, issued_at = dt.date(2026, 3, 4), dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
        pause = Excuse("ada", uuid4(), 0, False, issued_at, "pause", day, day)
        state = BOOK.new_learner("ada")
        state.streaks.set_excused(excused_days([pause]))
        state.dirty.changed = state.dirty.excused_days = True
        await store_excuse(other, pause)
        await save(other, Changes([state]))
        batch = records(on(3))
        applying = asyncio.create_task(fair.parts.apply(batch))
        await wait_until(partial(waits, fair.url), "the batch waits for the learner's row")
        await other.commit()
        with pytest.raises(LearnerChangedError):
            await applying
    await fair.parts.apply(batch)
    row = fair.rows("SELECT active_days::text, excused_days::text FROM learner")
    assert row == [("{[2026-03-03,2026-03-04)}", "{[2026-03-04,2026-03-05)}")]


async def save_first(connection: psycopg.AsyncConnection, event: Event) -> None:
    """Save a learner's first completion as another worker would, without a commit."""
    (record,) = records(event)
    decoder = Decoder(max_value_bytes=65_536, max_future_seconds=300)
    now = dt.datetime.now(dt.UTC)
    arrival = decoder.decode(record.key, record.value, record.headers, now).completion
    loaded = await load(connection, BOOKS, LearnerCache(0), Erasures(None), [arrival])
    state = loaded.learners[arrival.user_id]
    unlocks = list(apply(BOOK, state, arrival, None).unlocks)
    await save(connection, Changes([state], added=[arrival], unlocks=unlocks))


async def waits(url: str) -> bool:
    return len(fetch(url, "SELECT FROM pg_locks WHERE NOT granted")) == 1


async def test_two_workers_excuse_days_of_one_learner_at_once(fair: Fair) -> None:
    async with projection(fair.deployment.settings()) as parts:
        workers = [fair, Fair(fair.deployment, parts)]
        for number in range(5):
            user_id = f"learner-{number}"
            await asyncio.gather(
                *(
                    worker.tell(march(3 * nth + 1, user_id=user_id), march(20, user_id=user_id))
                    for nth, worker in enumerate(workers)
                ),
                fair.tell(on(2, user_id)),
            )
            days = "{[2026-03-01,2026-03-02),[2026-03-04,2026-03-05),[2026-03-20,2026-03-21)}"
            assert fair.excused(user_id) == days
    assert fair.rows("SELECT count(*) FROM excuse") == [(20,)]
    assert not await differences(ruled(fair))


@pytest.mark.parametrize("lock", ["LOCK TABLE learner", "LOCK TABLE excuse"])
async def test_an_excuse_that_is_committed_while_another_is_read(
    fair: Fair, lock: LiteralString
) -> None:
    """A lock stops the second one before it has read the learner, or the learner's excuses."""
    await fair.tell(on(2))
    async with await psycopg.AsyncConnection.connect(fair.url, connect_timeout=10) as other:
        await other.execute(lock)
        telling = asyncio.create_task(fair.tell(march(4)))
        await wait_until(partial(waits, fair.url), "the second excuse waits for the lock")
        await store_excuse(other, FIRST)
        days = "{[2026-03-01,2026-03-01]}"
        await other.execute(
            "UPDATE learner SET version = version + 1, rule_book_at = version + 1,"
            " complete_at = version + 1, excused_days = %s::datemultirange",
            [days],
        )
        await other.commit()
    await telling
    assert fair.excused() == "{[2026-03-01,2026-03-02),[2026-03-04,2026-03-05)}"
    assert not await differences(ruled(fair))


@pytest.mark.parametrize("something_left", [True, False])
async def test_a_learner_whose_old_completions_were_deleted(
    fair: Fair, something_left: bool
) -> None:
    """The unlock names the last completion, since those that met the rule are gone."""
    old = [completed("ada", completed_at=f"2020-03-{day:02}T10:00:00Z") for day in (1, 2, 3, 6)]
    await fair.tell(*old)
    execute(fair.url, "UPDATE completion SET stored_at = completed_at")
    new = completed("ada", completed_at=dt.datetime.now(dt.UTC).isoformat())
    if something_left:
        await fair.tell(new)
    settings = fair.deployment.settings(COMPLETION_RETENTION_DAYS="366")
    await Housekeeping(settings, fair.parts.engine, fair.parts.metrics).step()
    assert len(fair.rows("SELECT FROM completion")) == something_left
    active = fair.rows("SELECT active_days FROM learner")
    await fair.tell(excuse("ada", "2020-03-05"))
    assert fair.rows("SELECT active_days FROM learner") == active
    assert fair.excused() == "{[2020-03-05,2020-03-06)}"
    query = "SELECT triggering_event_id::text, backdated FROM achievement_unlock"
    found = fair.rows(query + " WHERE achievement_id = 'four_days'")
    assert found == ([(new["event_id"], True)] if something_left else [])
    assert not await differences(ruled(fair))


async def test_a_recalculation_keeps_excuses(fair: Fair) -> None:
    await fair.tell(*(on(day) for day in (1, 2, 3, 6)), march(5))
    execute(fair.url, "UPDATE learner SET excused_days = NULL")
    execute(fair.url, "DELETE FROM achievement_unlock WHERE achievement_id = 'four_days'")
    assert {each.part for each in await differences(ruled(fair))} == {"excused days", "unlock"}
    await fair.parts.recalculation.recalculate("ada")
    assert fair.excused() == "{[2026-03-05,2026-03-06)}"
    assert fair.unlocked() == ALL
    assert not await differences(ruled(fair))


async def test_the_walk_to_another_policy_keeps_excuses_and_unlocks(fair: Fair) -> None:
    """Longest rises with freezes and falls without them; unlocks never fall."""
    book = ruled(fair)
    without = WITHOUT_FREEZES.replace("version: 7", "version: 8")
    await book.activate(without)
    await fair.tell(*(on(day) for day in (1, 2, 3, 6)), march(5))
    assert "four_days" not in fair.unlocked()
    await book.activate(FAIR.replace("version: 7", "version: 9"))
    await book.walk_on()
    assert fair.unlocked() == ALL
    assert await longest(fair, 9) == 4
    await book.activate(without.replace("version: 8", "version: 10"))
    await book.walk_on()
    assert fair.rows("SELECT rule_book FROM learner") == [(10,)]
    assert await longest(fair, 10) == 3
    assert fair.unlocked() == ALL
    assert fair.excused() == "{[2026-03-05,2026-03-06)}"
    assert len(fair.published()) == 4
    assert not await differences(book)


async def longest(fair: Fair, version: int) -> int:
    """The longest daily streak as a batch would load it, by that rule book."""
    ((content,),) = fair.rows("SELECT content FROM rule_book WHERE version = %s", version)
    async with await psycopg.AsyncConnection.connect(fair.url, connect_timeout=10) as connection:
        (record,) = records(on(1))
        now = dt.datetime.now(dt.UTC)
        decoded = fair.parts.decoder.decode(record.key, record.value, record.headers, now)
        books, cache = fair.parts.books, LearnerCache(0)
        loaded = await load(connection, books, cache, Erasures(None), [decoded.completion])
    policy = read_rule_book(content).streak_policy
    return loaded.learners["ada"].streaks.longest_days(policy)


GOOD = {
    "excuse_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "user_id": "nobody",
    "issued_at": "2026-03-20T12:00:00Z",
    "kind": "pause",
    "first_day": "2026-03-05",
    "last_day": "2026-03-06",
}
NOBODY = excuse("nobody", "2026-03-05")


@pytest.mark.parametrize(
    ("reason", "field", "changes"),
    [
        ("schema_violation", "last_day", {"last_day": "2026-03-04"}),
        ("schema_violation", "last_day", {"last_day": "2027-03-06"}),
        ("schema_violation", "first_day", {"first_day": "1999-12-31", "last_day": "2000-01-01"}),
        ("schema_violation", "last_day", {"first_day": "2100-12-31", "last_day": "2101-01-01"}),
        ("schema_violation", "first_day", {"first_day": "2026-03-05T00:00:00Z"}),
        ("schema_violation", "first_day", {"first_day": 20_000}),
        ("time_out_of_range", "issued_at", {"issued_at": "2099-01-01T00:00:00Z"}),
        ("schema_violation", "issued_at", {"issued_at": "2026-03-20T12:00:00"}),
        ("schema_violation", "kind", {"kind": "holiday"}),
        ("schema_violation", "excuse_id", {"excuse_id": "7c9e6679"}),
        ("schema_violation", "revision", {"revision": 2**31}),
        ("key_mismatch", "key", {"user_id": "somebody-else"}),
    ],
)
async def test_a_command_that_breaks_the_contract_is_dead_lettered_as_it_was(
    shared: Deployment, reason: str, field: str, changes: dict[str, object]
) -> None:
    marker = ("marker", uuid4().bytes)
    value = json.dumps(GOOD | changes, indent=3).encode()
    sent = Wire(b"nobody", value, (*NOBODY.headers, marker))
    await shared.kafka.publish(shared.commands, [sent])
    [letter] = await shared.kafka.read(
        shared.command_dead_letters, 1, lambda r: marker in r.headers
    )
    assert (letter.key, letter.value) == (sent.key, sent.value)
    assert letter.headers[: len(sent.headers)] == sent.headers
    about = dict(letter.headers)
    assert about["dlq.reason"].decode() == reason
    assert field in about["dlq.message"].decode()
    assert about["dlq.original-topic"].decode() == shared.commands
    url = shared.database.owner_url
    assert fetch(url, "SELECT FROM excuse WHERE user_id = 'nobody'") == []


async def test_a_year_and_a_day_in_the_future_may_be_excused(shared: Deployment) -> None:
    """The longest excuse, through Kafka; the other worker of the learner is the batch."""
    user_id, url = f"learner-{uuid4().hex[:8]}", shared.database.owner_url
    await shared.publish(completed(user_id))
    sent = excuse(user_id, "2100-01-01", "2100-12-31", kind="sick", revision=4)
    await shared.kafka.publish(shared.commands, [sent, excuse(user_id, "2028-01-01", "2028-12-31")])
    days = "{[2028-01-01,2029-01-01),[2100-01-01,2101-01-01)}"

    async def applied() -> bool:
        return fetch(url, EXCUSED + " AND active_days <> '{}'", user_id) == [(days,)]

    await wait_until(applied, "the excuses are applied")
    stored = fetch(url, "SELECT kind, revision FROM excuse WHERE user_id = %s ORDER BY 1", user_id)
    assert stored == [("pause", 0), ("sick", 4)]
