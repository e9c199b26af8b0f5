"""After a move to a zone that is behind, days after today are shown where they count."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from tests.http.stage import Stage

pytestmark = pytest.mark.integration

AHEAD, BEHIND = "Pacific/Kiritimati", "Pacific/Pago_Pago"


@pytest.fixture
async def moved(stage: Stage) -> Stage:
    """Ada did three exercises on the 1st of December in Kiritimati, and then flew to Pago Pago.

    There it is still the 29th of November; the last exercise was done on that day.
    """
    stage.clock.set("2026-11-30T10:50:00Z")
    for minute in range(3):
        await stage.complete(f"2026-11-30T10:0{minute}:00Z", timezone=AHEAD, topic="graphs")
    await stage.complete("2026-11-30T10:40:00Z", timezone=BEHIND, difficulty="hard")
    return stage


async def test_every_window_ends_with_the_last_active_day(moved: Stage) -> None:
    streak = (await moved.read(""))["streak"]
    assert streak["last_active_day"] == "2026-12-01"
    for period, count in (("daily", 3), ("weekly", 4), ("monthly", 4), ("all", 4)):
        answer = await moved.read("/statistics", period=period)
        assert answer["exercises_completed"] == count, period
        assert answer["end_date"] == (None if period == "all" else "2026-12-01")
        trend = [(day["date"], day["exercises_completed"]) for day in answer["trend"]]
        assert trend[0] == ("2026-11-25", 0)
        assert trend[-3:] == [("2026-11-29", 1), ("2026-11-30", 0), ("2026-12-01", 3)]
    export = await moved.read("/export")
    assert export["statistics"]["weekly"]["exercises_completed"] == 4
    assert export["history"]["days"][-1]["cumulative"]["exercises_completed"] == 4


@pytest.mark.parametrize(
    ("query", "first", "last", "rows", "last_row"),
    [
        ({}, "2026-11-02", "2026-12-01", 30, "2026-12-01"),
        ({"days": 1}, "2026-12-01", "2026-12-01", 1, "2026-12-01"),
        ({"days": 366}, "2025-12-01", "2026-12-01", 366, "2026-12-01"),
        ({"start_date": "2026-11-29"}, "2026-11-29", "2026-12-01", 3, "2026-12-01"),
        ({"start_date": "2025-12-01"}, "2025-12-01", "2026-12-01", 366, "2026-12-01"),
        ({"start_date": "2026-12-01"}, "2026-12-01", "2026-12-01", 1, "2026-12-01"),
        ({"end_date": "2026-11-29", "days": 2}, "2026-11-28", "2026-11-29", 2, "2026-11-29"),
        (
            {"start_date": "2026-11-28", "end_date": "2026-12-24"},
            *("2026-11-28", "2026-12-24", 4, "2026-12-01"),
        ),
    ],
)
async def test_history_has_rows_until_the_last_active_day(
    moved: Stage, query: dict[str, Any], first: str, last: str, rows: int, last_row: str
) -> None:
    answer = await moved.read("/history", **query)
    assert (answer["start_date"], answer["end_date"]) == (first, last)
    assert (len(answer["days"]), answer["days"][-1]["date"]) == (rows, last_row)
    if last_row == "2026-12-01":
        totals = (await moved.read(""))["exercises_completed"]
        assert answer["days"][-1]["cumulative"]["exercises_completed"] == totals


async def test_a_range_that_the_last_active_day_makes_too_long_is_refused(moved: Stage) -> None:
    for headers in ({}, {"If-None-Match": "*"}):
        answer = await moved.get("/history", start_date="2025-11-30", headers=headers)
        assert answer.status_code == 422


async def test_a_day_after_today_counts_as_active_today(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:30:00Z", timezone=AHEAD)
    # Only the zone changes, as by an exercise without a day: the only active day is the 24th.
    with psycopg.connect(stage.database.owner_url) as connection:
        connection.execute("UPDATE learner SET timezone = %s", [BEHIND])
    stage.clock.set("2026-11-23T10:45:00Z")
    streak = (await stage.read(""))["streak"]
    assert (streak["current"], streak["last_active_day"]) == (1, "2026-11-24")
    assert (streak["active_today"], streak["at_risk"]) == (True, False)


async def test_the_page_shows_the_days_after_today(moved: Stage) -> None:
    answer = await moved.client.get("/", headers={"Authorization": f"Bearer {moved.token()}"})
    text = " ".join(answer.text.split())
    assert "Tuesday, 1 December 2026: 3 exercises" in text
    calendar = text.partition("Table of the calendar")[2]
    months = re.findall(r'<th scope="row">(\w+ \d{4})</th><td>(\d+)</td><td>(\d+)', calendar)
    assert len(months) == 12
    assert months[0] == ("December 2026", "1", "3")
    assert months[1] == ("November 2026", "1", "1")
