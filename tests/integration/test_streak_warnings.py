"""Warnings of streaks at risk: who is warned and when, once a day, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid5

import psycopg
import pytest

from progress_worker.at_risk.warner import Page, Warner
from progress_worker.commands.excusing import Excusing
from progress_worker.commands.parts import CommandParts
from progress_worker.domain.excuses import Excuse
from progress_worker.errors import PoisonError, TransientError
from progress_worker.events.identities import NAMESPACE
from progress_worker.ingest.folding import fold
from progress_worker.outbox.messages import Messages
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import Connection, connect
from progress_worker.storage.write import batches
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.expiries import DUE, NO_EXPIRY, Expiries
from progress_worker.storage.write.saving import save
from tests.harness.events import CATALOGUE, Event, completed, records
from tests.harness.storage import Projection, Rows, execute, fetch, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment
from tests.integration.test_walk import activate

pytestmark = pytest.mark.integration

HOURS = 20
#: With two freezes, one for each three active days.
FREEZES = f"{CATALOGUE}streak: {{freezes: {{cap: 2, earn_every: 3}}}}\n"
MARKS = "SELECT user_id, expires_at, warned_for, warned_on FROM streak_expiry ORDER BY 1"
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
#: The transaction that warns waits here for a lock of the test.
_GATE = 4711
HOLD: LiteralString = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN NEW; END';
CREATE TRIGGER hold BEFORE INSERT ON outbox FOR EACH ROW
WHEN (NEW.topic LIKE '%streaks') EXECUTE FUNCTION hold();
"""


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def active(user_id: str, when: str, **changes: object) -> Event:
    """An exercise at that time, in Berlin unless `changes` say otherwise."""
    berlin = {"completed_at": at(when).isoformat(), "timezone": "Europe/Berlin"}
    return completed(user_id, **(berlin | changes))


@dataclass
class Watched:
    """A worker's parts with warnings on, and a clock that stands where a test puts it."""

    deployment: Deployment
    settings: Settings
    parts: Projection
    now: dt.datetime = dt.datetime.min

    @property
    def url(self) -> str:
        return self.deployment.database.owner_url

    @property
    def expiries(self) -> Expiries:
        return Expiries(self.parts.books)

    @property
    def excusing(self) -> Excusing:
        return Excusing(
            CommandParts(
                self.parts.engine,
                self.parts.books,
                Messages.of(self.settings),
                self.expiries,
                Erasures(None),
                asyncio.Event(),
                time_limit_seconds=8,
            )
        )

    def warner(self, hours: int = HOURS, page_learners: int = 500) -> Warner:
        return Warner(
            self.parts.engine,
            self.parts.books,
            self.expiries,
            Messages.of(self.settings),
            hours=hours,
            outbox_filled=asyncio.Event(),
            time_limit_seconds=self.settings.database_statement_timeout_seconds,
            page_learners=page_learners,
            clock=lambda: self.now,
        )

    async def apply(self, *events: Event) -> None:
        """Apply them as a partition consumer does: again, if a learner was changed meanwhile."""
        await self.parts.retry.run("ingest", partial(self.parts.apply, records(*events)))

    async def warn_at(self, when: str, **choices: int) -> list[dict[str, Any]]:
        """The warnings of a whole pass at this time."""
        self.now, before = at(when), len(self.warnings())
        warner, more = self.warner(**choices), True
        left: list[str] = []
        while more:
            page = await warner.warn(without=left)
            left += page.left
            more = page.full
        return self.warnings()[before:]

    def warnings(self) -> list[dict[str, Any]]:
        """What was published, in its order."""
        query = "SELECT value FROM outbox WHERE topic = %s ORDER BY id"
        return [json.loads(value) for (value,) in fetch(self.url, query, self.deployment.streaks)]

    def expiry(self, user_id: str = "ada") -> dt.datetime:
        found: dt.datetime = fetch(
            self.url, "SELECT expires_at FROM streak_expiry WHERE user_id = %s", user_id
        )[0][0]
        return found

    async def excuse(self, first: str, last: str, number: int = 1, **changes: Any) -> None:
        days = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
        said = Excuse("ada", UUID(int=number), 0, False, at("2026-03-01T00:00Z"), "pause", *days)
        await self.excusing.excuse(said._replace(**changes))

    async def waiting(self, count: int) -> None:
        """Until this many sessions wait for a lock."""

        async def found() -> bool:
            return fetch(self.url, WAITING) == [(count,)]

        await wait_until(found, f"{count} sessions wait for a lock")

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Keeps transactions that warn from going on once they have claimed and read."""
        execute(self.url, HOLD)
        with psycopg.connect(self.url, autocommit=True) as holder:
            holder.execute("SELECT pg_advisory_lock(%s)", [_GATE])
            yield


@pytest.fixture
async def watched(deployment: Deployment) -> AsyncIterator[Watched]:
    settings = deployment.settings(STREAK_AT_RISK_HOURS=str(HOURS))
    async with projection(settings) as parts:
        yield Watched(deployment, settings, parts)


@pytest.fixture
async def freezing(deployment: Deployment, tmp_path: Path) -> AsyncIterator[Watched]:
    """The same with a rule book that has freezes."""
    deployment.catalogue = tmp_path / "freezes.yaml"
    deployment.catalogue.write_text(FREEZES)
    settings = deployment.settings(STREAK_AT_RISK_HOURS=str(HOURS))
    async with projection(settings) as parts:
        yield Watched(deployment, settings, parts)


async def test_a_learner_is_warned_once_so_many_hours_before(watched: Watched) -> None:
    await watched.apply(
        active("ada", "2026-03-09T08:00Z"),
        active("ada", "2026-03-10T08:00Z"),
        active("bob", "2026-03-11T08:00Z"),
    )
    version = fetch(watched.url, "SELECT version FROM learner ORDER BY user_id")
    assert await watched.warn_at("2026-03-11T02:59:59Z") == []
    [warning] = await watched.warn_at("2026-03-11T03:00Z")
    event_id = str(uuid5(NAMESPACE, "ada\0at_risk\x002026-03-11"))
    assert warning == {
        "event_id": event_id,
        "user_id": "ada",
        "local_day": "2026-03-11",
        "length": 2,
        "freezes_left": 0,
        "timezone": "Europe/Berlin",
        "expires_at": "2026-03-11T23:00:00Z",
    }
    query = "SELECT key, headers FROM outbox WHERE topic = %s"
    [(key, headers)] = fetch(watched.url, query, watched.deployment.streaks)
    assert bytes(key) == b"ada"
    assert dict(headers) | {"ce_time": None} == {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": "/progress-worker",
        "ce_type": "streak.at_risk.v1",
        "ce_time": None,
        "content-type": "application/json",
    }
    assert at(dict(headers)["ce_time"]) == watched.now
    assert await watched.warn_at("2026-03-11T22:59:59Z") == []
    expiry = at("2026-03-11T23:00Z")
    assert fetch(watched.url, MARKS) == [
        ("ada", expiry, expiry, dt.date(2026, 3, 11)),
        ("bob", at("2026-03-12T23:00Z"), None, None),
    ]
    assert fetch(watched.url, "SELECT version FROM learner ORDER BY user_id") == version


async def test_a_dead_streak_is_not_announced(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    for when in ("2026-03-11T23:00Z", "2026-03-12T08:00Z", "2026-04-01T08:00Z"):
        assert await watched.warn_at(when) == []


async def test_a_streak_that_goes_on_is_warned_of_again_on_another_day(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    assert len(await watched.warn_at("2026-03-11T09:00Z")) == 1
    await watched.apply(active("ada", "2026-03-11T10:00Z"))
    assert await watched.warn_at("2026-03-11T11:00Z") == []
    [second] = await watched.warn_at("2026-03-12T09:00Z")
    assert (second["local_day"], second["length"]) == ("2026-03-12", 2)


async def test_nobody_is_warned_twice_on_a_local_day(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    assert len(await watched.warn_at("2026-03-11T09:00Z")) == 1
    saved = active("ada", "2026-03-11T10:00Z")
    await watched.apply(saved)
    await watched.apply({**saved, "revision": 1, "revoked": True})
    assert watched.expiry() == at("2026-03-11T23:00Z")
    assert await watched.warn_at("2026-03-11T11:00Z") == []
    # A move to the west gives another hour on the same day.
    await watched.apply(active("ada", "2026-03-10T09:00Z", timezone="Europe/Lisbon"))
    assert watched.expiry() == at("2026-03-12T00:00Z")
    assert await watched.warn_at("2026-03-11T12:00Z", page_learners=1) == []
    # Others are not held up by a learner who stays due.
    await watched.apply(*(active(name, "2026-03-10T08:00Z", timezone="UTC") for name in "bcd"))
    found = await watched.warn_at("2026-03-11T12:00Z", page_learners=1)
    assert [warning["user_id"] for warning in found] == ["b", "c", "d"]


async def test_whoever_has_practised_today_is_not_warned_today(watched: Watched) -> None:
    """Days that will begin earlier make the next day so short that it comes into sight today."""
    later = CATALOGUE.replace(
        "version: 7",
        "version: 8\nday_starts_at: [{hour: 23, from: 2000-01-01}, {hour: 0, from: 2026-03-12}]",
    )
    await activate_days(watched, later)
    await watched.apply(active("ada", "2026-03-10T22:30Z"))  # the 10th, which begins at 23:00
    assert watched.expiry() == at("2026-03-11T23:00Z")
    assert await watched.warn_at("2026-03-11T04:00Z") == []
    [warning] = await watched.warn_at("2026-03-11T22:10Z")
    assert warning["local_day"] == "2026-03-11"


async def activate_days(watched: Watched, text: str) -> None:
    """Make a rule book with other days the first one of this database."""
    execute(watched.url, "DELETE FROM rule_book")
    await activate(watched.parts, text)


async def test_freezes_move_the_warning(freezing: Watched) -> None:
    days = [active("ada", f"2026-03-{day:02}T08:00Z") for day in range(1, 5)]
    await freezing.apply(*days)  # one freeze, and a third of one
    assert await freezing.warn_at("2026-03-05T09:00Z") == []
    [warning] = await freezing.warn_at("2026-03-06T09:00Z")
    assert (warning["length"], warning["freezes_left"]) == (4, 0)
    assert warning["expires_at"] == "2026-03-06T23:00:00Z"


async def test_excuses_move_the_warning(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    await watched.excuse("2026-03-11", "2026-03-13")
    assert await watched.warn_at("2026-03-11T09:00Z") == []
    assert watched.expiry() == at("2026-03-14T23:00Z")
    await watched.excuse("2026-03-11", "2026-03-12", revision=1)
    [warning] = await watched.warn_at("2026-03-13T09:00Z")
    assert warning["local_day"] == "2026-03-13"
    await watched.excuse("2026-03-11", "2026-03-12", revision=2, revoked=True)
    assert await watched.warn_at("2026-03-14T09:00Z") == []
    assert watched.expiry() == at("2026-03-11T23:00Z")


async def test_an_excuse_that_unlocks_moves_the_warning_too(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"), active("ada", "2026-03-12T08:00Z"))
    await watched.excuse("2026-03-11", "2026-03-13")
    unlocked = "SELECT 1 FROM achievement_unlock WHERE achievement_id = 'two_days'"
    assert fetch(watched.url, unlocked) == [(1,)]
    query = "SELECT excused_days = '{[2026-03-11,2026-03-13]}' FROM learner"
    assert fetch(watched.url, query) == [(True,)]
    assert watched.expiry() == at("2026-03-14T23:00Z")


async def test_an_excuse_may_be_the_first_fact_and_a_revocation_the_last(watched: Watched) -> None:
    await watched.excuse("2026-03-11", "2026-03-13")
    assert watched.expiry() == NO_EXPIRY
    done = active("ada", "2026-03-10T08:00Z")
    await watched.apply(done)
    assert watched.expiry() == at("2026-03-14T23:00Z")
    await watched.apply({**done, "revision": 1, "revoked": True})
    assert watched.expiry() == NO_EXPIRY


@pytest.mark.parametrize(
    ("event", "too_early", "due", "expiry", "zone"),
    [
        # The night in which the clock is moved on: the day has 23 hours.
        (
            active("ada", "2026-03-28T08:00Z"),
            "2026-03-28T22:59:59Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
            "Europe/Berlin",
        ),
        # And back: 25 hours.
        (
            active("ada", "2025-10-25T08:00Z"),
            "2025-10-25T23:59:59Z",
            "2025-10-26T00:00:00Z",
            "2025-10-26T23:00:00Z",
            "Europe/Berlin",
        ),
        # A midnight that does not exist: the day begins at 1:00.
        (
            active("ada", "2026-04-22T08:00Z", timezone="Africa/Cairo"),
            "2026-04-22T22:59:59Z",
            "2026-04-22T23:00:00Z",
            "2026-04-23T22:00:00Z",
            "Africa/Cairo",
        ),
        (
            active("ada", "2026-03-10T08:00Z", timezone="Asia/Tokyo", day_starts_at=4),
            "2026-03-10T19:59:59Z",
            "2026-03-10T20:00:00Z",
            "2026-03-11T19:00:00Z",
            "Asia/Tokyo",
        ),
        (
            active("ada", "2026-03-10T08:00:00-03:30", timezone=None),
            "2026-03-11T04:29:59Z",
            "2026-03-11T04:30:00Z",
            "2026-03-12T03:30:00Z",
            "-03:30",
        ),
    ],
)
async def test_the_learners_own_clock_decides(
    watched: Watched, event: Event, too_early: str, due: str, expiry: str, zone: str
) -> None:
    await watched.apply(event)
    assert await watched.warn_at(too_early, hours=23) == []
    [warning] = await watched.warn_at(due, hours=23)
    assert (warning["expires_at"], warning["timezone"]) == (expiry, zone)


async def test_an_expiry_of_a_time_without_warnings_is_put_right(
    watched: Watched, deployment: Deployment
) -> None:
    names = ("gone on", "ended", "taken back")
    done = {name: active(name, "2026-03-10T08:00Z") for name in names}
    await watched.apply(*done.values(), active("ended", "2026-03-09T08:00Z"))
    execute(watched.url, "INSERT INTO streak_expiry VALUES ('nobody', '2026-03-11T23:00Z')")
    async with projection(deployment.settings()) as off:
        await off.apply(
            records(
                active("gone on", "2026-03-11T08:00Z"),
                {**done["ended"], "revision": 1, "revoked": True},
                {**done["taken back"], "revision": 1, "revoked": True},
            )
        )
    assert {watched.expiry(name) for name in names} == {at("2026-03-11T23:00Z")}
    assert await watched.warn_at("2026-03-11T09:00Z") == []
    assert watched.expiry("gone on") == at("2026-03-12T23:00Z")
    assert watched.expiry("ended") == at("2026-03-10T23:00Z")
    assert watched.expiry("taken back") == watched.expiry("nobody") == NO_EXPIRY
    [warning] = await watched.warn_at("2026-03-12T09:00Z")
    assert (warning["user_id"], warning["length"]) == ("gone on", 2)


async def test_a_zone_of_another_release_is_read_as_utc(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    execute(watched.url, "UPDATE learner SET timezone = 'Moon/Tranquility'")
    assert await watched.warn_at("2026-03-11T09:00Z") == []
    assert watched.expiry() == at("2026-03-12T00:00Z")
    [warning] = await watched.warn_at("2026-03-11T10:00Z")
    assert warning["timezone"] == "UTC"


async def test_without_the_setting_nothing_reads_or_writes_expiries(
    watched: Watched, deployment: Deployment
) -> None:
    execute(watched.url, "DROP TABLE streak_expiry")
    settings = deployment.settings()
    async with projection(settings) as off:
        await off.apply(records(active("ada", "2026-03-10T08:00Z")))
        await off.recalculation.recalculate("ada")
        await activate(off, CATALOGUE.replace("version: 7", "version: 8"))
        assert (await off.walk.step()).changed == 1
        parts = CommandParts(
            off.engine,
            off.books,
            Messages.of(settings),
            None,
            Erasures(None),
            asyncio.Event(),
            time_limit_seconds=8,
        )
        excusing = Excusing(parts)
        day = dt.date(2026, 3, 11)
        await excusing.excuse(
            Excuse("ada", UUID(int=1), 0, False, at("2026-03-01T00:00Z"), "sick", day, day)
        )


async def test_existing_learners_come_in_with_the_walk_and_with_a_recalculation(
    watched: Watched, deployment: Deployment
) -> None:
    async with projection(deployment.settings()) as off:
        await off.apply(
            records(active("ada", "2026-03-10T08:00Z"), active("bob", "2026-03-10T08:00Z"))
        )
    assert fetch(watched.url, MARKS) == []
    await watched.parts.recalculation.recalculate("ada")
    assert [row[:2] for row in fetch(watched.url, MARKS)] == [("ada", at("2026-03-11T23:00Z"))]
    await activate(watched.parts, CATALOGUE.replace("version: 7", "version: 8"))
    await watched.parts.walk.step()
    assert [row[0] for row in fetch(watched.url, MARKS)] == ["ada", "bob"]


async def save_without_commit(watched: Watched, connection: Connection, *events: Event) -> None:
    """What ingest does with these events, up to its commit."""
    parts = watched.parts
    arrivals = [
        (
            record,
            parts.decoder.decode(record.key, record.value, record.headers, dt.datetime.now(dt.UTC)),
        )
        for record in records(*events)
    ]
    loaded = await batches.load(
        connection,
        parts.books,
        LearnerCache(0),
        Erasures(None),
        [decoded.completion for _, decoded in arrivals],
    )
    messages = Messages.of(watched.settings)
    now = dt.datetime.now(dt.UTC)
    folded = fold(parts.books, messages, arrivals, loaded, now, level_changes=False)
    await save(connection, folded.changes, folded.messages, watched.expiries)


async def test_a_fact_that_is_committed_while_the_warning_waits_wins(watched: Watched) -> None:
    await watched.apply(*(active(name, "2026-03-10T08:00Z") for name in ("ada", "bob")))
    watched.now = at("2026-03-11T09:00Z")
    async with connect(watched.parts.engine) as connection:
        await save_without_commit(watched, connection, active("ada", "2026-03-11T08:00Z"))
        warning = asyncio.create_task(watched.warner().warn())
        await watched.waiting(1)
        await connection.commit()
        assert await warning == Page(warned=1, left=[], full=False)
    assert [found["user_id"] for found in watched.warnings()] == ["bob"]


async def test_a_fact_that_is_rolled_back_does_not(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    watched.now = at("2026-03-11T09:00Z")
    async with connect(watched.parts.engine) as connection:
        await save_without_commit(watched, connection, active("ada", "2026-03-11T08:00Z"))
        warning = asyncio.create_task(watched.warner().warn())
        await watched.waiting(1)
        await connection.rollback()
        assert (await warning).warned == 1


async def test_a_fact_that_comes_after_the_mark_waits_for_the_warning(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    watched.now = at("2026-03-11T09:00Z")
    with watched.gate():
        warning = asyncio.create_task(watched.warner().warn())
        await watched.waiting(1)
        fact = asyncio.create_task(watched.apply(active("ada", "2026-03-11T08:00Z")))
        await watched.waiting(2)
    assert (await warning).warned == 1
    await fact
    first = at("2026-03-11T23:00Z")
    assert fetch(watched.url, MARKS) == [
        ("ada", first + dt.timedelta(days=1), first, dt.date(2026, 3, 11))
    ]


async def test_of_two_leaders_one_warns(watched: Watched) -> None:
    await watched.apply(*(active(f"u{number}", "2026-03-10T08:00Z") for number in range(20)))
    watched.now = at("2026-03-11T09:00Z")
    with watched.gate():
        one = asyncio.create_task(watched.warner().warn())
        await watched.waiting(1)
        other = asyncio.create_task(watched.warner().warn())
        await watched.waiting(2)
    assert [(await one).warned, (await other).warned] == [20, 0]
    pages = await asyncio.gather(*(watched.warner().warn() for _ in range(4)))
    assert sum(page.warned for page in pages) == 0
    assert len({warning["event_id"] for warning in watched.warnings()}) == 20


async def test_a_leader_that_dies_between_mark_and_message_leaves_no_mark(
    watched: Watched,
) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    watched.now = at("2026-03-11T09:00Z")
    with watched.gate():
        dying = asyncio.create_task(watched.warner().warn())
        await watched.waiting(1)
        execute(
            watched.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        with pytest.raises(TransientError):
            await dying
    assert watched.warnings() == []
    assert (await watched.warner().warn()).warned == 1


async def test_a_lock_that_is_held_for_long_delays_the_warning_and_no_more(
    watched: Watched, deployment: Deployment
) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    watched.now = at("2026-03-11T09:00Z")
    settings = deployment.settings(DATABASE_STATEMENT_TIMEOUT_SECONDS="1")
    async with projection(settings) as parts:
        hasty = Watched(deployment, settings, parts, watched.now)
        with psycopg.connect(watched.url) as holder:
            holder.execute("UPDATE streak_expiry SET warned_on = warned_on")
            with pytest.raises(TransientError):
                await hasty.warner().warn()
        assert (await hasty.warner().warn()).warned == 1


async def test_a_message_that_cannot_be_stored_takes_the_mark_back(watched: Watched) -> None:
    await watched.apply(active("ada", "2026-03-10T08:00Z"))
    execute(watched.url, "ALTER TABLE outbox ADD CONSTRAINT never CHECK (id < 0) NOT VALID")
    with pytest.raises(PoisonError):
        await watched.warn_at("2026-03-11T09:00Z")
    execute(watched.url, "ALTER TABLE outbox DROP CONSTRAINT never")
    assert len(await watched.warn_at("2026-03-11T09:00Z")) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_beside_live_traffic_nobody_is_warned_twice_and_every_expiry_is_right(
    watched: Watched, seed: int
) -> None:
    rng = random.Random(seed)
    users = [f"u{number}" for number in range(60)]
    await watched.apply(*(active(name, "2026-03-10T08:00Z") for name in users))
    watched.now = at("2026-03-11T09:00Z")
    kept = rng.sample(users, 40)

    async def traffic(names: list[str]) -> None:
        for start in range(0, len(names), 4):
            batch = names[start : start + 4]
            rng.shuffle(batch)
            await watched.apply(*(active(name, "2026-03-11T08:00Z") for name in batch))

    async def warning() -> None:
        for _ in range(15):
            page = watched.warner(page_learners=rng.randint(1, 20))
            await watched.parts.retry.run("warn", page.warn)

    await asyncio.gather(traffic(kept[:20]), traffic(kept[20:]), warning(), warning())
    await watched.warn_at("2026-03-11T09:00Z")
    warned = [found["user_id"] for found in watched.warnings()]
    assert len(warned) == len(set(warned))
    assert set(users) - set(kept) <= set(warned)
    assert {name: watched.expiry(name) for name in users} == {
        name: at("2026-03-12T23:00Z" if name in kept else "2026-03-11T23:00Z") for name in users
    }


ZONES = (None, "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago")


def history(rng: random.Random) -> list[Event]:
    """A few days, with moves, late completions, regrades and revocations."""
    events = [
        active(
            "ada",
            f"2026-03-{rng.randint(1, 12):02}T{rng.randint(0, 23):02}:00+0{rng.randint(0, 9)}:00",
            timezone=rng.choice(ZONES),
            day_starts_at=rng.choice([None, None, 4]),
        )
        for _ in range(rng.randint(2, 14))
    ]
    for event in rng.sample(events, 2):
        changes: Event = rng.choice(
            [{"revoked": True}, {"completed_at": "2026-03-07T10:00:00Z", "timezone": "Asia/Tokyo"}]
        )
        events.append({**event, "revision": 1, **changes})
    return events


@pytest.mark.parametrize("seed", range(12))
async def test_the_stored_expiry_follows_from_the_facts_alone(freezing: Watched, seed: int) -> None:
    """Any order and any batches, an excuse among them, give what a recalculation gives."""
    rng = random.Random(seed)
    events = history(rng)
    found = set()
    for _ in range(3):
        execute(
            freezing.url,
            "TRUNCATE learner, completion, excuse, learner_total, learner_day,"
            " skill_level, achievement_unlock, streak_expiry, outbox",
        )
        freezing.parts.cache.clear()
        rng.shuffle(events)
        excused_after, left = rng.randint(0, len(events)), list(events)
        while left or excused_after >= 0:
            batch = left[: rng.randint(1, 5)]
            left = left[len(batch) :]
            if batch:
                await freezing.apply(*batch)
            excused_after -= len(batch)
            if excused_after <= 0 or not left:
                excused_after = -1
                await freezing.excuse("2026-03-05", "2026-03-06")
        found.add(freezing.expiry())
        execute(freezing.url, "UPDATE streak_expiry SET expires_at = '2000-01-01'")
        await freezing.parts.recalculation.recalculate("ada")
        found.add(freezing.expiry())
    assert len(found) == 1


async def test_those_who_are_due_are_found_by_the_index(watched: Watched) -> None:
    url, count = watched.url, 200_000
    execute(
        url,
        """INSERT INTO streak_expiry
           SELECT 'u' || n, moment, CASE WHEN mod(n, 3) = 0 THEN moment END, NULL
           FROM generate_series(1, %s) AS n,
                LATERAL (SELECT '2026-03-01Z'::timestamptz + n * '1 min'::interval) AS m (moment)
        """,
        count,
    )
    execute(url, "ANALYZE streak_expiry")
    now = at("2026-03-11T09:00Z")
    async with connect(watched.parts.engine) as connection:
        plan = await plan_of(connection, DUE, [now, now + dt.timedelta(hours=HOURS), "{}", 500])
    assert "Index Scan using ix_streak_expiry_expires_at" in plan
    assert "Sort" not in plan


async def plan_of(connection: Connection, statement: str, values: list[object]) -> str:
    explained: Rows = await (
        await connection.execute(f"EXPLAIN {statement}".encode(), values)
    ).fetchall()
    return "\n".join(line for (line,) in explained)


async def test_a_worker_warns_a_learner_once(deployment: Deployment) -> None:
    """From the event to the record in Kafka."""
    now = dt.datetime.now(dt.UTC)
    ahead = 12 - now.hour  # where it is about noon
    zone = "UTC" if not ahead else f"Etc/GMT{-ahead:+}"
    yesterday = (now - dt.timedelta(days=1)).isoformat()
    async with deployment.worker(STREAK_AT_RISK_HOURS="23") as worker:
        await deployment.publish(
            completed("ada", completed_at=yesterday, timezone=zone),
            completed("bob", completed_at=now.isoformat(), timezone=zone),
        )
        [record] = await deployment.kafka.read(deployment.streaks, 1)
        warned = json.loads(record.value)
        today = (now + dt.timedelta(hours=ahead)).date()
        assert (record.key, warned["user_id"], warned["length"]) == (b"ada", "ada", 1)
        assert (warned["local_day"], warned["timezone"]) == (today.isoformat(), zone)

        async def looked_again() -> bool:
            passed = await worker.metric("progress_streak_warnings_passed_timestamp_seconds")
            return passed > seen

        seen = dt.datetime.now(dt.UTC).timestamp()
        await wait_until(looked_again, "the worker has looked again")
        assert await worker.metric("progress_streak_warnings_total") == 1
