"""Streaks as the view reads them: freezes, excused days, weeks, and the days of a range."""

from __future__ import annotations

from typing import Any

import pytest

from progress_worker.embedded.database import Database
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

FREEZES = "streak: {freezes: {cap: 2, earn_every: 3}}\n"
THREE_A_WEEK = "streak: {week: {days: 3, starts_on: sun}}\n"


@pytest.fixture
async def freezing(migrated_database: Database, stages: StageMaker) -> Stage:
    """A view of learners who have two freezes at most and earn one with three active days."""
    return await stages(migrated_database, FREEZES)


async def practise(stage: Stage, *days: int) -> None:
    """Complete an exercise on these days of November."""
    for day in days:
        await stage.complete(f"2026-11-{day:02}T10:00:00Z")


def noon(day: int) -> str:
    """Noon on that day of November."""
    return f"2026-11-{day:02}T12:00:00Z"


async def statuses(stage: Stage, first: int, last: int) -> list[str | None]:
    """What these days of November are to the streak."""
    query = {"start_date": f"2026-11-{first:02}", "end_date": f"2026-11-{last:02}"}
    answer = await stage.read("/streak", **query)
    assert [day["date"] for day in answer["days"]] == [
        f"2026-11-{day:02}" for day in range(first, last + 1)
    ]
    return [day["status"] for day in answer["days"]]


async def test_the_streak_to_the_field(freezing: Stage) -> None:
    await practise(freezing, 16, 17, 18, 20)
    freezing.clock.set(noon(21))
    answer = await freezing.read("/streak", start_date="2026-11-15", end_date="2026-11-22")
    assert answer == {
        "user_id": "ada",
        "timezone": "UTC",
        "as_of": "2026-11-21T12:00:00Z",
        "today": "2026-11-21",
        "daily": {
            "current": 4,
            "longest": 4,
            "calendar_days": 5,
            "state": "at_risk",
            "last_active_day": "2026-11-20",
            "active_today": False,
            "at_risk": True,
            "expires_at": "2026-11-22T00:00:00Z",
            "repairable": None,
            "freezes": {"left": 0, "cap": 2, "earn_every": 3, "next_freeze_in": 2},
        },
        "weekly": {
            "current": 1,
            "longest": 1,
            "week": "2026-W47",
            "starts_on": "mon",
            "active_days": 4,
            "needed": 1,
            "met": True,
            "skipped": False,
        },
        "consistency": {"active_days": 4, "days": 28},
        "goal": None,
        "days": [
            {"date": f"2026-11-{day}", "status": status}
            for day, status in (
                (15, None),
                *((16, "active"), (17, "active"), (18, "active")),
                *((19, "frozen"), (20, "active"), (21, "future"), (22, "future")),
            )
        ],
    }
    assert (await freezing.read(""))["streak"] == {
        "current": 4,
        "longest": 4,
        "calendar_days": 5,
        "state": "at_risk",
        "last_active_day": "2026-11-20",
        "active_today": False,
        "at_risk": True,
        "expires_at": "2026-11-22T00:00:00Z",
        "repairable": None,
        "freezes_left": 0,
        "next_freeze_in": 2,
    }


async def test_a_late_day_gives_its_freeze_back(freezing: Stage) -> None:
    await practise(freezing, 16, 17, 18, 20)
    freezing.clock.set(noon(21))
    await practise(freezing, 19)
    daily = (await freezing.read("/streak"))["daily"]
    assert (daily["current"], daily["calendar_days"], daily["state"]) == (5, 5, "safe")
    assert daily["freezes"] == {"left": 1, "cap": 2, "earn_every": 3, "next_freeze_in": 1}
    assert daily["expires_at"] == "2026-11-23T00:00:00Z"
    assert await statuses(freezing, 19, 19) == ["active"]


async def test_a_gap_that_freezes_cannot_pay_is_bridged_by_an_excuse(freezing: Stage) -> None:
    await practise(freezing, 1, 2, 3, 6)
    freezing.clock.set(noon(6))
    assert (await freezing.read("/streak"))["daily"]["current"] == 1
    assert await statuses(freezing, 4, 5) == ["missed", "missed"]
    await freezing.excuse("2026-11-05")
    daily = (await freezing.read("/streak"))["daily"]
    assert (daily["current"], daily["calendar_days"]) == (4, 6)
    assert await statuses(freezing, 4, 5) == ["frozen", "excused"]


async def test_two_active_days_in_three_earn_no_freeze(freezing: Stage) -> None:
    await practise(freezing, 1, 3, 5)
    freezing.clock.set(noon(5))
    daily = (await freezing.read("/streak"))["daily"]
    assert (daily["current"], daily["longest"]) == (1, 1)
    assert daily["freezes"]["next_freeze_in"] == 2


async def test_a_late_day_takes_nothing_from_the_longest_streak(freezing: Stage) -> None:
    await practise(freezing, 10, 11, 12, 17, 19, 20, 21)
    before = (await freezing.read("/streak"))["daily"]["longest"]
    await practise(freezing, 15)
    after = (await freezing.read("/streak"))["daily"]["longest"]
    assert (before, after) == (3, 3)


def gap(first: int, last: int) -> dict[str, Any]:
    return {
        "first_day": f"2026-11-{first:02}",
        "last_day": f"2026-11-{last:02}",
        "missed": last - first + 1,
    }


@pytest.mark.parametrize(
    ("today", "state", "current", "left", "expires", "missed"),
    [
        (15, "active_today", 6, 2, "2026-11-19T00:00:00Z", None),
        (16, "safe", 6, 2, "2026-11-19T00:00:00Z", None),
        (17, "frozen", 6, 1, "2026-11-19T00:00:00Z", gap(16, 16)),
        (18, "at_risk", 6, 0, "2026-11-19T00:00:00Z", gap(16, 17)),
        (19, "broken", 0, 0, None, gap(16, 18)),
    ],
)
async def test_what_a_streak_comes_to_day_by_day(
    freezing: Stage,
    today: int,
    state: str,
    current: int,
    left: int,
    expires: str | None,
    missed: dict[str, Any] | None,
) -> None:
    await practise(freezing, *range(10, 16))
    freezing.clock.set(noon(today))
    daily = (await freezing.read("/streak"))["daily"]
    assert (daily["state"], daily["current"]) == (state, current)
    assert daily["freezes"]["left"] == left
    assert (daily["expires_at"], daily["repairable"]) == (expires, missed)
    assert daily["active_today"] is (state == "active_today")
    assert daily["at_risk"] is (state == "at_risk")
    between = "missed" if state == "broken" else "frozen"
    assert await statuses(freezing, 16, 20) == [
        between if day < today else "future" for day in range(16, 21)
    ]


async def test_planned_pauses_show_in_the_month_to_come(freezing: Stage) -> None:
    await practise(freezing, 22, 23)
    await freezing.excuse("2026-11-24", "2026-11-26")
    await freezing.excuse("2026-12-24", "2026-12-31")
    answer = await freezing.read("/streak", start_date="2026-11-23", end_date="2026-12-31")
    found = [day["status"] for day in answer["days"]]
    assert found == ["active", *["excused"] * 3, *["future"] * 27, *["excused"] * 8]
    assert answer["daily"]["expires_at"] == "2026-11-28T00:00:00Z"
    freezing.clock.set(noon(26))
    daily = (await freezing.read("/streak"))["daily"]
    assert (daily["state"], daily["current"], daily["repairable"]) == ("safe", 2, None)


async def test_days_that_the_rule_book_excuses(
    migrated_database: Database, stages: StageMaker
) -> None:
    rules = "excused: [{first_day: 2026-11-20, last_day: 2026-11-22, label: Exams}]\n"
    stage = await stages(migrated_database, rules)
    await practise(stage, 19)
    streak = (await stage.read(""))["streak"]
    assert (streak["current"], streak["state"], streak["at_risk"]) == (1, "at_risk", True)
    assert await statuses(stage, 19, 23) == ["active", *["excused"] * 3, "future"]


async def test_history_says_what_each_day_is(freezing: Stage) -> None:
    await practise(freezing, 16, 17, 18, 20)
    await freezing.excuse("2026-11-21")
    days = (await freezing.read("/history", start_date="2026-11-15"))["days"]
    assert [(day["status"], day["streak"]["current"]) for day in days] == [
        *((None, 0), ("active", 1), ("active", 2), ("active", 3)),
        *(("frozen", 3), ("active", 4), ("excused", 4), ("missed", 4), ("future", 0)),
    ]


async def test_the_weekly_streak(migrated_database: Database, stages: StageMaker) -> None:
    stage = await stages(migrated_database, THREE_A_WEEK)
    await practise(stage, 8, 10, 14)
    await stage.excuse("2026-11-15", "2026-11-21")
    weekly = (await stage.read("/streak"))["weekly"]
    assert weekly == {
        "current": 1,
        "longest": 1,
        "week": "2026-W48",
        "starts_on": "sun",
        "active_days": 0,
        "needed": 3,
        "met": False,
        "skipped": False,
    }
    await stage.excuse("2026-11-25", "2026-11-28")
    await practise(stage, 22, 23)
    weekly = (await stage.read("/streak"))["weekly"]
    assert (weekly["active_days"], weekly["needed"], weekly["met"]) == (2, 2, True)
    assert weekly["current"] == 2
    stage.clock.set(noon(20))
    weekly = (await stage.read("/streak"))["weekly"]
    assert (weekly["week"], weekly["needed"], weekly["skipped"]) == ("2026-W47", 0, True)


async def test_an_excuse_as_the_first_fact(stage: Stage) -> None:
    await stage.excuse("2026-11-22", "2026-11-24")
    answer = await stage.read("/streak", start_date="2026-11-21", end_date="2026-11-25")
    assert [day["status"] for day in answer["days"]] == [None, *["excused"] * 3, "future"]
    assert (answer["daily"]["state"], answer["daily"]["expires_at"]) == ("none", None)
    assert answer["weekly"]["current"] == answer["consistency"]["active_days"] == 0
    progress = await stage.read("")
    assert (progress["timezone"], progress["exercises_completed"]) == ("UTC", 0)
    for path in ("/achievements", "/badges", "/statistics", "/skill-levels", "/export"):
        assert (await stage.get(path)).status_code == 200
    assert [day["status"] for day in (await stage.read("/history", days=2))["days"]] == [
        "excused",
        "excused",
    ]
    page = await stage.client.get("/", headers={"Authorization": f"Bearer {stage.token()}"})
    assert "Nothing is written here yet." in page.text


async def test_a_learner_never_seen_has_zeros(empty_stage: Stage) -> None:
    answer = await empty_stage.read("/streak", days=2)
    assert answer == {
        "user_id": "ada",
        "timezone": "UTC",
        "as_of": "2026-11-23T12:00:00Z",
        "today": "2026-11-23",
        "daily": {
            "current": 0,
            "longest": 0,
            "calendar_days": 0,
            "state": "none",
            "last_active_day": None,
            "active_today": False,
            "at_risk": False,
            "expires_at": None,
            "repairable": None,
            "freezes": {"left": 0, "cap": 0, "earn_every": 7, "next_freeze_in": None},
        },
        "weekly": {
            "current": 0,
            "longest": 0,
            "week": "2026-W48",
            "starts_on": "mon",
            "active_days": 0,
            "needed": 1,
            "met": False,
            "skipped": False,
        },
        "consistency": {"active_days": 0, "days": 28},
        "goal": None,
        "days": [
            {"date": "2026-11-22", "status": None},
            {"date": "2026-11-23", "status": "future"},
        ],
    }


@pytest.mark.parametrize(
    ("query", "first", "last", "count"),
    [
        ({}, "2026-10-25", "2026-11-23", 30),
        ({"days": 366}, "2025-11-23", "2026-11-23", 366),
        ({"days": 2, "end_date": "2028-03-01"}, "2028-02-29", "2028-03-01", 2),
        ({"start_date": "2026-11-01"}, "2026-11-01", "2026-11-23", 23),
        ({"start_date": "2027-01-01"}, "2027-01-01", "2027-01-01", 1),
        ({"start_date": "2026-11-23", "end_date": "2027-11-23"}, "2026-11-23", "2027-11-23", 366),
        ({"end_date": "9999-12-31"}, "9999-12-02", "9999-12-31", 30),
        ({"end_date": "0001-01-02"}, "0001-01-01", "0001-01-02", 2),
    ],
)
async def test_ranges(
    empty_stage: Stage, query: dict[str, Any], first: str, last: str, count: int
) -> None:
    days = (await empty_stage.read("/streak", **query))["days"]
    assert (days[0]["date"], days[-1]["date"], len(days)) == (first, last, count)


@pytest.mark.parametrize(
    "query",
    [
        {"days": 0},
        {"days": 367},
        {"start_date": "2026-11-24", "end_date": "2026-11-23"},
        {"start_date": "2026-11-23", "end_date": "2027-11-24"},
        {"start_date": "2025-01-01"},
        {"start_date": "2026-11-01", "days": 3},
        {"start_date": "2026-02-30"},
        {"end_date": "2026-11-23T00:00:00Z"},
    ],
)
async def test_ranges_that_make_no_sense(empty_stage: Stage, query: dict[str, Any]) -> None:
    for headers in ({}, {"If-None-Match": "*"}):
        answer = await empty_stage.get("/streak", **query, headers=headers)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"]


async def test_without_freezes_a_streak_is_what_it_was(stage: Stage) -> None:
    await practise(stage, 19, 20, 22, 23)
    streak = (await stage.read(""))["streak"]
    was = ("current", "longest", "last_active_day", "active_today", "at_risk")
    assert [streak[name] for name in was] == [2, 2, "2026-11-23", True, False]
    assert (streak["freezes_left"], streak["next_freeze_in"]) == (0, None)
    stage.clock.set(noon(24))
    assert (await stage.read(""))["streak"]["expires_at"] == "2026-11-25T00:00:00Z"
    assert (await stage.read(""))["streak"]["state"] == "at_risk"
    stage.clock.set(noon(25))
    streak = (await stage.read(""))["streak"]
    assert (streak["state"], streak["current"], streak["longest"]) == ("broken", 0, 2)
    assert streak["repairable"] == gap(24, 24)


async def test_an_exercise_taken_back_takes_its_day_from_the_streak(freezing: Stage) -> None:
    await practise(freezing, 20, 21, 23)
    event = await freezing.complete(noon(22))
    assert (await freezing.read(""))["streak"]["current"] == 4
    await freezing.complete(noon(22), event_id=event, revision=1, revoked=True)
    streak = (await freezing.read(""))["streak"]
    assert (streak["current"], streak["longest"]) == (1, 2)
    assert await statuses(freezing, 22, 22) == ["missed"]
