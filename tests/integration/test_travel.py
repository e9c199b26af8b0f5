"""Travel on a real worker: whoever moves the clock loses no streak, and nobody gains by it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event

from progress_worker.errors import FatalError
from progress_worker.walks.housekeeping import Housekeeping
from tests.harness.events import Event, completed
from tests.harness.storage import execute
from tests.harness.telling import WITHOUT_FREEZES, Fair
from tests.integration.test_housekeeping import collect_into, explain
from tests.integration.test_walk import Ruled, differences

pytestmark = pytest.mark.integration

HONOLULU, AUCKLAND = "Pacific/Honolulu", "Pacific/Auckland"
#: A Monday evening and the Wednesday evening 25 hours later.
LEFT = completed("ada", completed_at="2026-03-02T18:00:00-10:00", timezone=HONOLULU)
ARRIVED = completed("ada", completed_at="2026-03-04T18:00:00+13:00", timezone=AUCKLAND)
TUESDAY = "{[2026-03-03,2026-03-04)}"


def at(time: str, timezone: str | None = None, **changes: object) -> Event:
    """A completion of ada's at that time."""
    return completed("ada", completed_at=time, timezone=timezone, **changes)


def travelled(fair: Fair) -> str | None:
    ((days,),) = fair.rows("SELECT travel_days::text FROM learner WHERE user_id = 'ada'")
    return None if days is None else str(days)


def longest(fair: Fair) -> list[str]:
    """The streaks that were reached, by what they unlocked."""
    return [name for name in fair.unlocked() if name in {"two_days", "four_days"}]


def without_freezes(fair: Fair) -> Ruled:
    """The parts, to be given a rule book in which every missed day counts."""
    return Ruled(fair.parts, fair.url)


@pytest.fixture(autouse=True)
async def no_freezes(fair: Fair) -> None:
    await without_freezes(fair).activate(WITHOUT_FREEZES.replace("version: 7", "version: 8"))


@pytest.mark.parametrize("reverse", [False, True])
async def test_honolulu_on_monday_and_auckland_on_wednesday(fair: Fair, reverse: bool) -> None:
    await fair.tell(*([ARRIVED, LEFT] if reverse else [LEFT, ARRIVED]))
    assert travelled(fair) == TUESDAY
    assert longest(fair) == ["two_days"]
    await fair.tell(at("2026-03-03T09:00:00Z", HONOLULU))  # on Monday night
    assert travelled(fair) == TUESDAY
    assert not await differences(without_freezes(fair))


async def test_flying_back_gives_no_free_day_and_takes_none(fair: Fair) -> None:
    """Wednesday comes twice. The day after it is Thursday, and Friday would be too late."""
    await fair.tell(LEFT, ARRIVED, at("2026-03-04T18:00:00-10:00", HONOLULU))
    assert travelled(fair) == TUESDAY
    await fair.tell(at("2026-03-06T06:00:00-10:00", HONOLULU))
    assert travelled(fair) == TUESDAY
    assert "four_days" not in fair.unlocked()
    await fair.tell(at("2026-03-05T06:00:00-10:00", HONOLULU))
    assert "four_days" in fair.unlocked()
    assert not await differences(without_freezes(fair))


async def test_samoa_never_had_30_december_2011(fair: Fair) -> None:
    days = [f"2011-12-{day}T18:00:00{offset}" for day, offset in ((29, "-10:00"), (31, "+14:00"))]
    await fair.tell(*(at(day, "Pacific/Apia") for day in days))
    assert travelled(fair) == "{[2011-12-30,2011-12-31)}"
    assert longest(fair) == ["two_days"]


async def test_an_event_that_lowers_the_start_of_the_day(fair: Fair) -> None:
    """Tuesday morning was Monday when days began at 20:00, and Wednesday morning is Wednesday."""
    await fair.tell(
        at("2026-03-03T10:00:00Z", day_starts_at=20), at("2026-03-04T10:00:00Z", day_starts_at=0)
    )
    assert travelled(fair) == TUESDAY
    assert longest(fair) == ["two_days"]
    row = "SELECT day_starts_at, day_starts_completed_at, day_starts_event_id IS NULL FROM learner"
    assert fair.rows(row) == [(0, dt.datetime(2026, 3, 4, 10, tzinfo=dt.UTC), False)]


async def test_an_event_that_raises_the_start_of_the_day(fair: Fair) -> None:
    await fair.tell(
        at("2026-03-03T10:00:00Z", day_starts_at=0), at("2026-03-05T10:00:00Z", day_starts_at=4)
    )
    assert travelled(fair) is None
    assert longest(fair) == []


STARTS = """
day_starts_at:
  - {{hour: 20, from: {since:%Y-%m-%d}}}
  - {{hour: 0, from: {until:%Y-%m-%d}}}
"""


async def test_a_rule_book_that_lowers_the_start_of_the_day(fair: Fair) -> None:
    """It may do so from some day on, once it is the first rule book of the database."""
    execute(fair.url, "DELETE FROM rule_book")
    text = STARTS.format(since=dt.date(2026, 1, 1), until=dt.date(2026, 3, 4))
    await without_freezes(fair).activate(WITHOUT_FREEZES.replace("version: 7", "version: 9") + text)
    await fair.tell(at("2026-03-03T10:00:00Z"), at("2026-03-04T10:00:00Z"))
    days = "SELECT local_day::text, local_day_hour, day_starts_at FROM completion ORDER BY 1"
    assert fair.rows(days) == [("2026-03-02", 20, None), ("2026-03-04", 0, None)]
    assert travelled(fair) == TUESDAY
    assert longest(fair) == ["two_days"]


async def test_a_rule_book_may_not_change_the_days_that_were_lived(fair: Fair) -> None:
    today = dt.datetime.now(dt.UTC).date()
    newer, book = WITHOUT_FREEZES.replace("version: 7", "version: 9"), without_freezes(fair)
    lived = STARTS.format(since=today - dt.timedelta(days=9), until=today - dt.timedelta(days=1))
    with pytest.raises(
        FatalError,
        match=r"^Rule book 9 lets days start at other hours up to [\d-]+ than rule book 8: "
        r"`day_starts_at` may change from the day after on\.$",
    ):
        await book.activate(newer + lived)
    assert fair.rows("SELECT max(version) FROM rule_book") == [(8,)]
    ahead = STARTS.format(since=today + dt.timedelta(days=9), until=today + dt.timedelta(days=20))
    await book.activate(newer + ahead)
    assert fair.rows("SELECT max(version) FROM rule_book") == [(9,)]


async def test_whoever_fakes_zones_can_halve_the_effort(fair: Fair) -> None:
    """Documented, and not prevented: every other day, once by either clock."""
    for day in range(2, 17, 2):
        await fair.tell(
            at(f"2026-03-{day:02}T18:00:00+13:00", AUCKLAND),
            at(f"2026-03-{day:02}T10:00:00-10:00", HONOLULU),
        )
    assert longest(fair) == ["four_days", "two_days"]
    ((days,),) = fair.rows("SELECT travel_days FROM learner")
    assert [day.lower.day for day in days] == [3, 5, 7, 9, 11, 13, 15]
    # Not with one completion every other day: the clock has to be moved back as well.
    await fair.tell(at("2026-03-18T18:00:00+13:00", AUCKLAND))
    await fair.tell(at("2026-03-20T18:00:00+13:00", AUCKLAND))
    ((days,),) = fair.rows("SELECT travel_days FROM learner")
    assert [day.lower.day for day in days] == [3, 5, 7, 9, 11, 13, 15, 17]
    assert not await differences(without_freezes(fair))


@pytest.mark.parametrize(
    ("time", "proven"),
    [
        ("2026-03-04T00:30:00+01:59", None),
        ("2026-03-04T00:30:00+02:00", TUESDAY),
        ("2026-03-04T01:59:59+02:00", TUESDAY),
        ("2026-03-04T02:00:00+02:00", None),
    ],
)
async def test_two_hours_and_a_day_that_would_not_have_been_skipped(
    fair: Fair, time: str, proven: str | None
) -> None:
    await fair.tell(at("2026-03-02T20:00:00+00:00"), at(time))
    assert travelled(fair) == proven


async def test_a_revision_of_the_proof_takes_the_day_back(fair: Fair) -> None:
    moved = ARRIVED | {"revision": 1, "completed_at": "2026-03-06T18:00:00+13:00"}
    at_home = ARRIVED | {
        "revision": 2,
        "completed_at": "2026-03-04T18:00:00-10:00",
        "timezone": HONOLULU,
    }
    await fair.tell(LEFT, ARRIVED)
    assert travelled(fair) == TUESDAY
    for revision, expected in (
        (moved, "{}"),
        (at_home, "{}"),
        (ARRIVED | {"revision": 3, "grade": 1}, TUESDAY),
        (ARRIVED | {"revision": 4, "revoked": True}, "{}"),
        (ARRIVED | {"revision": 5}, TUESDAY),
        (LEFT | {"revision": 1, "timezone": AUCKLAND}, "{}"),
    ):
        await fair.tell(revision)
        assert travelled(fair) == expected, revision
        assert not await differences(without_freezes(fair))
    assert longest(fair) == ["two_days"]


async def test_a_day_that_becomes_active_is_no_travel_day(fair: Fair) -> None:
    tuesday = at("2026-03-03T18:00:00-10:00", HONOLULU)
    await fair.tell(LEFT, ARRIVED, tuesday)
    assert travelled(fair) == "{}"
    await fair.tell(tuesday | {"revision": 1, "revoked": True})
    assert travelled(fair) == TUESDAY
    assert not await differences(without_freezes(fair))


OLD_LEFT = completed("ada", completed_at="2020-03-02T18:00:00-10:00", timezone=HONOLULU)
OLD_ARRIVED = completed("ada", completed_at="2020-03-04T18:00:00+13:00", timezone=AUCKLAND)
OLD_TUESDAY = "{[2020-03-03,2020-03-04)}"


@pytest.mark.parametrize("left_is_gone", [True, False])
async def test_what_deleted_completions_proved_is_kept(fair: Fair, left_is_gone: bool) -> None:
    """Also when a revision arrives of the other one, which came late and so is still there."""
    gone, late = (OLD_LEFT, OLD_ARRIVED) if left_is_gone else (OLD_ARRIVED, OLD_LEFT)
    await fair.tell(gone)
    execute(fair.url, "UPDATE completion SET stored_at = completed_at")
    await fair.tell(late)
    settings = fair.deployment.settings(COMPLETION_RETENTION_DAYS="366")
    await Housekeeping(settings, fair.parts.engine, fair.parts.metrics).step()
    assert fair.rows("SELECT event_id::text FROM completion") == [(late["event_id"],)]
    assert travelled(fair) == OLD_TUESDAY
    await fair.tell(late | {"revision": 1, "grade": 1})
    assert travelled(fair) == OLD_TUESDAY
    assert not await differences(without_freezes(fair))
    execute(fair.url, "UPDATE learner SET version = version + 1")  # as an older release does
    await without_freezes(fair).walk_on()
    assert travelled(fair) == OLD_TUESDAY
    assert longest(fair) == ["two_days"]


async def test_a_revision_next_to_the_kept_completions_decides_again(fair: Fair) -> None:
    """Nothing of this journey was deleted, though older completions of the learner were."""
    await fair.tell(OLD_LEFT)
    execute(fair.url, "UPDATE completion SET stored_at = completed_at")
    settings = fair.deployment.settings(COMPLETION_RETENTION_DAYS="366")
    await Housekeeping(settings, fair.parts.engine, fair.parts.metrics).step()
    ((kept_from,),) = fair.rows("SELECT completions_kept_from FROM learner")
    first = kept_from + dt.timedelta(days=3)
    monday = f"{first:%Y-%m-%d}T18:00:00-10:00"
    wednesday = f"{first + dt.timedelta(days=2):%Y-%m-%d}T18:00:00+13:00"
    left, arrived = at(monday, HONOLULU), at(wednesday, AUCKLAND)
    await fair.tell(left, arrived)
    day = first.date() + dt.timedelta(days=1)
    assert travelled(fair) == f"{{[{day},{day + dt.timedelta(days=1)})}}"
    await fair.tell(arrived | {"revision": 1, "timezone": HONOLULU, "completed_at": monday})
    assert travelled(fair) == "{}"
    assert not await differences(without_freezes(fair))


@pytest.mark.parametrize("zone_is_known", [True, False])
async def test_rows_of_the_release_before_keep_their_days(fair: Fair, zone_is_known: bool) -> None:
    """Without an offset the zone tells; without both, a completion proves nothing."""
    await fair.tell(LEFT, ARRIVED)
    zone = "timezone" if zone_is_known else "NULL"
    older = f"UPDATE completion SET local_day_hour = NULL, timezone = {zone}"
    execute(fair.url, f"{older}, utc_offset_minutes = NULL".encode())  # type: ignore[arg-type]
    execute(
        fair.url,
        "UPDATE learner SET version = version + 1, travel_days = NULL, least_day_offset = NULL,"
        " most_day_offset = NULL",
    )
    await without_freezes(fair).walk_on()
    active = "SELECT active_days::text FROM learner"
    assert fair.rows(active) == [("{[2026-03-02,2026-03-03),[2026-03-04,2026-03-05)}",)]
    assert travelled(fair) == (TUESDAY if zone_is_known else None)
    assert not await differences(without_freezes(fair))
    thursday, saturday = at("2026-03-05T18:00:00-10:00", HONOLULU), "2026-03-07T18:00:00+13:00"
    await fair.tell(thursday, at(saturday, AUCKLAND))
    friday = "[2026-03-06,2026-03-07)"
    expected = f"{{[2026-03-03,2026-03-04),{friday}}}" if zone_is_known else f"{{{friday}}}"
    assert travelled(fair) == expected
    assert not await differences(without_freezes(fair))


async def test_who_never_travels_pays_nothing(fair: Fair) -> None:
    """No statement more and no byte more, though the learner skips days and is revised."""
    plans: list[dict[str, Any]] = []
    explain(fair.deployment.database)
    await fair.parts.engine.dispose()
    fair.parts.cache.clear()
    sqlalchemy_event.listen(fair.parts.engine.sync_engine, "connect", collect_into(plans))

    async def statements(*told: Event) -> list[str]:
        plans.clear()
        await fair.tell(*told)
        return [plan["Query Text"] for plan in plans]

    at_home = [at(f"2026-03-{day:02}T18:00:00+01:00", "Europe/Berlin") for day in (2, 4, 6)]
    await statements(*at_home[:2])
    plain = await statements(at_home[2])
    assert not [text for text in plain if "travel_days =" in text or "NOT revoked" in text]
    assert await statements(at_home[2] | {"revision": 1, "grade": 5})
    row = "SELECT travel_days, excused_days, least_day_offset, most_day_offset FROM learner"
    assert fair.rows(row) == [(None, None, 60, 60)]
    ((size, without),) = fair.rows(
        "SELECT pg_column_size(l), pg_column_size(m) FROM learner AS l,"
        " LATERAL (SELECT l.user_id, l.version, l.active_days, l.timezone, l.timezone_at,"
        " l.timezone_event_id, l.counters, l.completions_kept_from, l.rule_book, l.rule_book_at,"
        " l.first_version, l.complete_at, l.least_day_offset, l.most_day_offset) AS m"
    )
    assert size <= without + 8, "null columns cost bits"
    # A journey costs statements: the days beside it, the versions then, and the result.
    extra = await statements(at("2026-03-08T06:00:00+13:00", AUCKLAND))
    assert [text for text in extra if "NOT revoked" in text]
    assert [text for text in extra if "travel_days =" in text]
    assert len(extra) == len(plain) + 3
