"""Streaks: joining, splitting, and when the current one counts."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.streaks import ActiveDays


def days(*numbers: int) -> ActiveDays:
    """Days of March 2026."""
    active = ActiveDays()
    for number in numbers:
        active.add(march(number))
    return active


def march(day: int) -> dt.date:
    return dt.date(2026, 3, day)


def test_nobody_starts_with_a_streak() -> None:
    assert days().longest == 0
    assert days().last_day is None
    assert days().current(march(1)) == 0


def test_a_late_event_joins_two_runs() -> None:
    active = days(1, 2, 4, 5, 6)
    assert active.longest == 3
    assert active.add(march(3))
    assert active.longest == 6
    assert len(active.runs) == 1


def test_a_day_counts_once() -> None:
    active = days(1, 2)
    assert not active.add(march(2))
    assert active == days(1, 2)
    assert len(active) == 2


def test_taking_a_day_back_splits_its_run() -> None:
    active = days(1, 2, 3, 4, 5)
    assert active.remove(march(2))
    assert active == days(1, 3, 4, 5)
    assert active.longest == 3


def test_taking_back_an_idle_day_changes_nothing() -> None:
    active = days(1, 3)
    assert not active.remove(march(2))
    assert not active.remove(march(9))
    assert active == days(1, 3)


def test_taking_back_the_only_day_leaves_nothing() -> None:
    active = days(1)
    assert active.remove(march(1))
    assert active == ActiveDays()
    assert active.longest == 0


@pytest.mark.parametrize(
    ("today", "current"),
    [(12, 3), (13, 3), (14, 0), (30, 0), (11, 3)],
    ids=["done today", "still yesterday", "one day missed", "long ago", "zone gone west"],
)
def test_the_current_streak_lives_until_a_day_is_missed(today: int, current: int) -> None:
    active = days(1, 2, 3, 4, 10, 11, 12)
    assert active.current(march(today)) == current
    assert active.longest == 4


def test_runs_go_across_months_and_leap_days() -> None:
    active = ActiveDays()
    for day in (dt.date(2028, 2, 28), dt.date(2028, 3, 1), dt.date(2028, 2, 29)):
        active.add(day)
    assert active.longest == 3
    assert active.last_day == dt.date(2028, 3, 1)
    assert list(active)[1] == dt.date(2028, 2, 29)


def test_the_calendar_ends_without_an_overflow() -> None:
    active = ActiveDays()
    active.add(dt.date.max)
    active.add(dt.date.min)
    assert list(active) == [dt.date.min, dt.date.max]
    assert dt.date.max in active


@pytest.mark.parametrize("runs", [[(5, 4)], [(1, 2), (3, 4)], [(1, 5), (4, 9)], [(7, 8), (1, 2)]])
def test_runs_that_are_none_are_refused(runs: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"^(the run|runs) "):
        ActiveDays(runs)
