"""Figures and days in words."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.http.page import text as page_text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 min"),
        (1, "under 1 min"),
        (59, "under 1 min"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (12_345, "3 h 25 min"),
        (359_999, "99 h 59 min"),
        (360_000, "100 h"),
        (36_000_000, "10,000 h"),
    ],
)
def test_durations(seconds: int, said: str) -> None:
    assert page_text.duration(seconds) == said


@pytest.mark.parametrize(
    ("grade", "said"),
    [
        (None, "none yet"),
        (0.0, "0%"),
        (64.6, "64.6%"),
        (79.999, "79.9%"),
        (80.0, "80%"),
        (100.0, "100%"),
        (1e-07, "0%"),
    ],
)
def test_grades(grade: float | None, said: str) -> None:
    assert page_text.grade(grade) == said


def test_counts() -> None:
    assert page_text.counted(0, "day") == "0 days"
    assert page_text.counted(1, "day") == "1 day"
    assert page_text.counted(12_345, "day") == "12,345 days"


def test_days() -> None:
    day = dt.date(2026, 3, 1)
    assert page_text.weekday_and_day(day) == "Sunday, 1 March 2026"
    assert page_text.short_weekday(day) == "Sun"
    assert page_text.short_month(day) == "Mar"


@pytest.mark.parametrize("name", ["", " \t\n", "\u2028", "\u200b\u202e", "\ufeff"])
def test_names_that_nobody_can_see(name: str) -> None:
    assert page_text.visible(name) == "(nameless)"
    assert page_text.visible(name + "x") == name + "x"
