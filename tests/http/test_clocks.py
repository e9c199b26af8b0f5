"""Days that start at another hour than midnight, learners without a zone, and when streaks end."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from progress_worker.embedded.database import Database
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

BERLIN = "Europe/Berlin"


async def page(stage: Stage) -> str:
    """The learner's page, in one line."""
    answer = await stage.client.get("/", headers={"Authorization": f"Bearer {stage.token()}"})
    assert answer.status_code == 200
    return " ".join(answer.text.split())


async def expires_at(stage: Stage) -> str:
    """When the streak ends, as both paths say."""
    daily = (await stage.read("/streak"))["daily"]["expires_at"]
    assert daily == (await stage.read(""))["streak"]["expires_at"]
    return str(daily)


async def test_days_that_start_at_four(stage: Stage) -> None:
    for at in ("2026-11-23T22:30:00Z", "2026-11-23T23:30:00Z"):
        await stage.complete(at, timezone=BERLIN, day_starts_at=4)
    stage.clock.set("2026-11-24T02:59:59Z")
    answer = await stage.read("/streak", days=1)
    assert (answer["today"], answer["timezone"]) == ("2026-11-23", BERLIN)
    assert (answer["daily"]["state"], answer["daily"]["current"]) == ("active_today", 1)
    assert answer["days"] == [{"date": "2026-11-23", "status": "active"}]
    today = await stage.read("/statistics", period="daily")
    assert (today["start_date"], today["exercises_completed"]) == ("2026-11-23", 2)
    shown = await page(stage)
    assert "Today, Monday, 23 November 2026: 2 exercises" in shown
    assert "Days end at 4:00 in Europe/Berlin." in shown
    stage.clock.set("2026-11-24T03:00:00Z")
    answer = await stage.read("/streak", days=1)
    assert (answer["today"], answer["daily"]["state"]) == ("2026-11-24", "at_risk")
    assert await expires_at(stage) == "2026-11-25T03:00:00Z"
    (row,) = (await stage.read("/history", days=1))["days"]
    assert (row["date"], row["exercises_completed"]) == ("2026-11-24", 0)
    assert "Today, Tuesday, 24 November 2026: no exercise" in await page(stage)


@pytest.mark.parametrize("path", ["", "/streak", "/history", "/export"])
async def test_the_learners_hour_changes_the_tag(stage: Stage, path: str) -> None:
    await stage.complete("2026-11-23T10:00:00Z", timezone=BERLIN, day_starts_at=4)
    tag = (await stage.get(path)).headers["etag"]
    known = {"If-None-Match": tag}
    for at, status in (
        ("2026-11-23T23:30:00Z", 304),
        ("2026-11-24T02:59:59Z", 304),
        ("2026-11-24T03:00:00Z", 200),
    ):
        stage.clock.set(at)
        assert (await stage.get(path, headers=known)).status_code == status, at


async def test_the_rule_books_hour_holds_from_its_date_on(
    migrated_database: Database, stages: StageMaker
) -> None:
    stage = await stages(migrated_database, "day_starts_at: [{hour: 4, from: 2026-11-24}]\n")
    await stage.complete("2026-11-23T10:00:00Z")
    assert await expires_at(stage) == "2026-11-25T04:00:00Z"
    assert "Days end at 4:00 in UTC." in await page(stage)
    stage.clock.set("2026-11-24T03:59:59Z")
    assert (await stage.read("/streak"))["today"] == "2026-11-23"
    stage.clock.set("2026-11-24T04:00:00Z")
    assert (await stage.read("/streak"))["today"] == "2026-11-24"


@pytest.mark.parametrize(
    ("done", "name", "midnight", "expires"),
    [
        ("2026-11-23T10:30:00+05:30", "+05:30", "2026-11-23T18:30:00Z", "2026-11-24T18:30:00Z"),
        ("2026-11-23T10:00:00-03:00", "-03:00", "2026-11-24T03:00:00Z", "2026-11-25T03:00:00Z"),
        ("2026-11-23T10:30:00Z", "UTC", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"),
    ],
)
async def test_learners_with_an_offset_only(
    stage: Stage, done: str, name: str, midnight: str, expires: str
) -> None:
    await stage.complete(done)
    stage.clock.now = dt.datetime.fromisoformat(midnight) - dt.timedelta(microseconds=1)
    answer = await stage.read("/streak")
    assert (answer["timezone"], answer["today"]) == (name, "2026-11-23")
    assert (await stage.read(""))["timezone"] == name
    assert await expires_at(stage) == expires
    place = name if name == "UTC" else f"UTC{name}"
    assert f"Days end at midnight in {place}." in await page(stage)
    stage.clock.set(midnight)
    answer = await stage.read("/streak")
    assert (answer["today"], answer["daily"]["state"]) == ("2026-11-24", "at_risk")


@pytest.mark.parametrize(
    ("done", "hour", "expires"),
    [
        pytest.param("2026-10-24T10:00:00Z", 0, "2026-10-25T23:00:00Z", id="25 hours"),
        pytest.param("2026-03-28T10:00:00Z", 0, "2026-03-29T22:00:00Z", id="23 hours"),
        pytest.param("2026-03-27T10:00:00Z", 2, "2026-03-29T01:00:00Z", id="an hour that is not"),
        pytest.param("2026-10-23T10:00:00Z", 2, "2026-10-25T00:00:00Z", id="an hour twice"),
    ],
)
async def test_daylight_saving(stage: Stage, done: str, hour: int, expires: str) -> None:
    await stage.complete(done, timezone=BERLIN, day_starts_at=hour)
    stage.clock.set(done)
    assert await expires_at(stage) == expires


async def test_nothing_expires_after_the_end_of_the_calendar(stage: Stage) -> None:
    await stage.complete("9999-12-30T10:00:00Z", timezone=BERLIN)
    stage.clock.set("9999-12-30T12:00:00Z")
    assert await expires_at(stage) == "9999-12-31T23:59:59.999999Z"


async def test_a_zone_that_is_not_known_is_read_in_utc(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z", timezone=BERLIN, day_starts_at=4)
    with psycopg.connect(stage.database.owner_url) as connection:
        connection.execute("UPDATE learner SET timezone = 'Mars/Olympus'")
    answer = await stage.read("/streak")
    assert (answer["timezone"], answer["daily"]["state"]) == ("UTC", "active_today")
    assert await expires_at(stage) == "2026-11-25T04:00:00Z"


@pytest.mark.parametrize(
    ("hour", "freezes", "pause", "said"),
    [
        (0, 0, "2020-01-01", "safe until midnight on Tuesday."),
        (4, 0, "2020-01-01", "safe until 4:00 on Wednesday."),
        (14, 0, "2026-11-24", "safe until 14:00 on Thursday."),
        (0, 6, "2026-11-30", "safe until midnight on 1 December 2026."),
    ],
)
async def test_the_page_says_when_a_streak_ends(
    migrated_database: Database, stages: StageMaker, hour: int, freezes: int, pause: str, said: str
) -> None:
    rules = f"streak: {{freezes: {{cap: {freezes}, earn_every: 1}}}}\n"
    stage = await stages(migrated_database, rules)
    for day in range(18, 24):
        at = f"2026-11-{day}T15:00:00Z"
        await stage.complete(at, timezone=BERLIN, day_starts_at=hour)
    await stage.excuse(pause)
    stage.clock.set("2026-11-23T15:00:00Z")
    assert f"The streak is {said}" in await page(stage)


@pytest.mark.parametrize(("hour", "said"), [(0, "midnight tonight"), (4, "4:00 tonight")])
async def test_tonight(stage: Stage, hour: int, said: str) -> None:
    await stage.complete("2026-11-22T10:00:00Z", timezone=BERLIN, day_starts_at=hour)
    await stage.excuse("2020-01-01")
    for now in ("2026-11-23T12:00:00Z", "2026-11-23T22:59:00Z"):
        stage.clock.set(now)
        assert f"The streak can be saved until {said}." in await page(stage)


async def test_a_last_day_that_ends_in_the_morning_is_named(stage: Stage) -> None:
    await stage.complete("2026-11-22T12:00:00Z", timezone=BERLIN, day_starts_at=9)
    await stage.excuse("2020-01-01")
    assert "can be saved until 9:00 on Tuesday." in await page(stage)
