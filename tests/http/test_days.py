"""Today is the learner's day: midnight, both DST changes, a leap day, extreme zones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.stage import Stage

pytestmark = pytest.mark.integration


async def streak(stage: Stage) -> tuple[int, bool, bool]:
    """Current streak, active today, at risk."""
    found = (await stage.read(""))["streak"]
    return found["current"], found["active_today"], found["at_risk"]


async def daily(stage: Stage) -> tuple[str, int]:
    """Today's date and how many exercises were completed."""
    found = await stage.read("/statistics", period="daily")
    return found["start_date"], found["exercises_completed"]


@pytest.mark.parametrize(
    ("zone", "done", "before_midnight", "after_midnight", "day", "next_day"),
    [
        pytest.param(
            "UTC",
            "2026-11-23T23:00:00Z",
            "2026-11-23T23:59:59.999999Z",
            "2026-11-24T00:00:00Z",
            "2026-11-23",
            "2026-11-24",
            id="utc",
        ),
        pytest.param(
            "Pacific/Kiritimati",
            "2026-11-23T08:00:00Z",
            "2026-11-23T09:59:59Z",
            "2026-11-23T10:00:00Z",
            "2026-11-23",
            "2026-11-24",
            id="+14:00",
        ),
        pytest.param(
            "Pacific/Pago_Pago",
            "2026-11-23T12:00:00Z",
            "2026-11-24T10:59:59Z",
            "2026-11-24T11:00:00Z",
            "2026-11-23",
            "2026-11-24",
            id="-11:00",
        ),
        pytest.param(
            "Europe/Berlin",
            "2026-03-29T00:30:00Z",
            "2026-03-29T21:59:59Z",
            "2026-03-29T22:00:00Z",
            "2026-03-29",
            "2026-03-30",
            id="a day of 23 hours",
        ),
        pytest.param(
            "Europe/Berlin",
            "2026-10-24T22:00:00Z",
            "2026-10-25T22:59:59Z",
            "2026-10-25T23:00:00Z",
            "2026-10-25",
            "2026-10-26",
            id="a day of 25 hours",
        ),
        pytest.param(
            "America/New_York",
            "2028-02-29T05:00:00Z",
            "2028-03-01T04:59:59Z",
            "2028-03-01T05:00:00Z",
            "2028-02-29",
            "2028-03-01",
            id="leap day",
        ),
    ],
)
async def test_midnight(
    stage: Stage,
    zone: str,
    done: str,
    before_midnight: str,
    after_midnight: str,
    day: str,
    next_day: str,
) -> None:
    await stage.complete(done, timezone=zone)
    stage.clock.set(before_midnight)
    assert await streak(stage) == (1, True, False)
    assert await daily(stage) == (day, 1)
    assert (await stage.read("/history", days=1))["days"][0]["date"] == day
    stage.clock.set(after_midnight)
    assert await streak(stage) == (1, False, True)
    assert await daily(stage) == (next_day, 0)
    last = (await stage.read("/history", days=1))["days"][0]
    assert (last["date"], last["exercises_completed"]) == (next_day, 0)
    assert (last["cumulative"]["exercises_completed"], last["streak"]["current"]) == (1, 1)


async def test_a_streak_dies_after_a_whole_idle_day(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    stage.clock.set("2026-11-24T23:59:59Z")
    assert await streak(stage) == (1, False, True)
    stage.clock.set("2026-11-25T00:00:00Z")
    assert await streak(stage) == (0, False, False)
    assert (await stage.read(""))["streak"]["longest"] == 1


async def test_midnight_changes_the_tag(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z", timezone="Pacific/Kiritimati")
    stage.clock.set("2026-11-24T09:59:59Z")
    tag = (await stage.get("")).headers["etag"]
    assert (await stage.get("", headers={"If-None-Match": tag})).status_code == 304
    stage.clock.set("2026-11-24T10:00:00Z")
    assert (await stage.get("", headers={"If-None-Match": tag})).status_code == 200


async def test_a_day_lived_further_east_is_not_at_risk(stage: Stage) -> None:
    await stage.complete("2026-11-23T11:00:00Z", timezone="Pacific/Kiritimati")
    await stage.complete("2026-11-23T11:30:00Z", timezone="Pacific/Pago_Pago")
    progress = await stage.read("")
    assert progress["timezone"] == "Pacific/Pago_Pago"
    assert progress["streak"] == {
        "current": 2,
        "longest": 2,
        "calendar_days": 2,
        "state": "active_today",
        "last_active_day": "2026-11-24",
        "active_today": True,
        "at_risk": False,
        "expires_at": "2026-11-26T11:00:00Z",
        "repairable": None,
        "freezes_left": 0,
        "next_freeze_in": None,
    }


def row(
    date: str,
    status: str,
    figures: tuple[Any, ...],
    cumulative: tuple[Any, ...],
    streaks: tuple[int, int],
) -> dict[str, Any]:
    """A day of the history."""
    names = (
        "exercises_completed",
        "time_spent_seconds",
        "average_grade",
        "hints_used",
        "achievements_unlocked",
    )
    return {
        "date": date,
        "status": status,
        **dict(zip(names, figures, strict=True)),
        "cumulative": dict(zip(names, cumulative, strict=True)),
        "streak": dict(zip(("current", "longest"), streaks, strict=True)),
    }


async def test_history_to_the_field(stage: Stage) -> None:
    await stage.complete("2026-11-18T10:00:00Z", grade=60, seconds=10, hints=1)
    await stage.complete("2026-11-19T10:00:00Z", grade=None, seconds=20)
    await stage.complete("2026-11-22T10:00:00Z", grade=90, seconds=30, difficulty="hard", hints=2)
    await stage.complete("2026-11-22T11:00:00Z", grade=90, seconds=40, topic="graphs")
    answer = await stage.read("/history", start_date="2026-11-19", end_date="2026-11-23")
    idle = (0, 0, None, 0, 0)
    assert answer == {
        "user_id": "ada",
        "start_date": "2026-11-19",
        "end_date": "2026-11-23",
        "days": [
            row("2026-11-19", "active", (1, 20, None, 0, 0), (2, 30, 60, 1, 1), (2, 2)),
            row("2026-11-20", "missed", idle, (2, 30, 60, 1, 1), (2, 2)),
            row("2026-11-21", "missed", idle, (2, 30, 60, 1, 1), (0, 2)),
            row("2026-11-22", "active", (2, 70, 90, 2, 0), (4, 100, 80, 3, 1), (1, 2)),
            row("2026-11-23", "future", idle, (4, 100, 80, 3, 1), (1, 2)),
        ],
    }


async def test_a_late_event_changes_its_day_and_all_later_ones(stage: Stage) -> None:
    await stage.complete("2026-11-19T10:00:00Z", seconds=10)
    await stage.complete("2026-11-21T10:00:00Z", seconds=10)
    before = (await stage.read("/history", days=5))["days"]
    await stage.complete("2026-11-20T10:00:00Z", seconds=5)
    after = (await stage.read("/history", days=5))["days"]
    assert after[0] == before[0]
    assert after[1]["exercises_completed"] == 1
    assert [day["cumulative"]["time_spent_seconds"] for day in before] == [10, 10, 20, 20, 20]
    assert [day["cumulative"]["time_spent_seconds"] for day in after] == [10, 15, 25, 25, 25]
    assert [day["streak"]["current"] for day in before] == [1, 1, 1, 1, 0]
    assert [day["streak"]["current"] for day in after] == [1, 2, 3, 3, 0]
    assert [day["achievements_unlocked"] for day in after] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("query", "first", "last", "rows"),
    [
        ({}, "2026-10-25", "2026-11-23", 30),
        ({"days": 366}, "2025-11-23", "2026-11-23", 366),
        ({"days": 2, "end_date": "2024-03-01"}, "2024-02-29", "2024-03-01", 2),
        ({"start_date": "2026-11-01"}, "2026-11-01", "2026-11-23", 23),
        ({"start_date": "2026-11-20", "end_date": "2026-12-24"}, "2026-11-20", "2026-12-24", 4),
        ({"start_date": "2027-01-01", "end_date": "2027-01-02"}, "2027-01-01", "2027-01-02", 0),
        ({"start_date": "2027-01-01"}, "2027-01-01", "2027-01-01", 0),
        ({"end_date": "9999-12-31"}, "9999-12-02", "9999-12-31", 0),
        ({"end_date": "0001-01-02"}, "0001-01-01", "0001-01-02", 2),
        ({"start_date": "2024-01-01", "end_date": "2024-12-31"}, "2024-01-01", "2024-12-31", 366),
    ],
)
async def test_ranges(
    empty_stage: Stage, query: dict[str, Any], first: str, last: str, rows: int
) -> None:
    answer = await empty_stage.read("/history", **query)
    assert (answer["start_date"], answer["end_date"], len(answer["days"])) == (first, last, rows)


@pytest.mark.parametrize(
    "query",
    [
        {"days": 0},
        {"days": 367},
        {"days": "ten"},
        {"start_date": "2026-11-24", "end_date": "2026-11-23"},
        {"start_date": "2024-01-01", "end_date": "2025-01-01"},
        {"start_date": "2025-01-01"},
        {"start_date": "2026-11-01", "days": 3},
        {"start_date": "2026-02-30"},
        {"start_date": "1763856000"},
        {"start_date": "20261101"},
        {"end_date": "2026-11-23T00:00:00Z"},
    ],
)
async def test_ranges_that_make_no_sense(empty_stage: Stage, query: dict[str, Any]) -> None:
    answer = await empty_stage.get("/history", **query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
