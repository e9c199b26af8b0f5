"""What streaks come to on a local day: the fields one by one, by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.days import Days
from progress_worker.domain.streak_reading import (
    DailyReading,
    OpenGap,
    consistency,
    day_statuses,
    expires_on,
    read_daily,
    read_weekly,
    streaks_by_day,
    week_name,
)
from progress_worker.domain.streaks import StreakPolicy, Streaks
from progress_worker.domain.weeks import week_of

WITHOUT_FREEZES = StreakPolicy()
TWO_IN_THREE = StreakPolicy(cap=2, earn_every=3)


def march(day: int) -> dt.date:
    return dt.date(2026, 3, day)


def days(*numbers: int) -> Days:
    some = Days()
    for number in numbers:
        some.add(march(number))
    return some


def learner(*active: int, excused: Days | None = None) -> Streaks:
    return Streaks(days(*active), excused)


def test_nobody_starts_with_a_streak() -> None:
    nothing = DailyReading(0, 0, 0, "none", None, 0, None, None, None)
    assert read_daily(learner(), WITHOUT_FREEZES, march(5)) == nothing
    assert read_daily(learner(), TWO_IN_THREE, march(5)) == nothing._replace(next_freeze_in=3)


@pytest.mark.parametrize(
    ("today", "state", "current", "expires"),
    [
        (2, "active_today", 3, 4),
        (3, "active_today", 3, 4),
        (4, "at_risk", 3, 4),
        (5, "broken", 0, None),
        (30, "broken", 0, None),
    ],
    ids=["zone gone west", "done today", "still yesterday", "one day missed", "long ago"],
)
def test_a_streak_without_freezes(
    today: int, state: str, current: int, expires: int | None
) -> None:
    reading = read_daily(learner(1, 2, 3), WITHOUT_FREEZES, march(today))
    assert (reading.state, reading.current, reading.longest) == (state, current, 3)
    assert reading.expires_on == (march(expires) if expires else None)
    assert reading.calendar_days == current
    assert (reading.freezes_left, reading.next_freeze_in) == (0, None)
    assert reading.last_active_day == march(3)


@pytest.mark.parametrize(
    ("today", "state", "freezes", "next_freeze_in", "missed"),
    [
        (7, "active_today", 2, None, 0),
        (8, "safe", 2, None, 0),
        (9, "frozen", 1, 3, 1),
        (10, "at_risk", 0, 3, 2),
        (11, "broken", 0, 3, 3),
    ],
)
def test_freezes_pay_for_the_days_since(
    today: int, state: str, freezes: int, next_freeze_in: int | None, missed: int
) -> None:
    reading = read_daily(learner(1, 2, 3, 4, 5, 6, 7), TWO_IN_THREE, march(today))
    assert (reading.state, reading.freezes_left) == (state, freezes)
    assert reading.next_freeze_in == next_freeze_in
    assert reading.current == (0 if state == "broken" else 7)
    assert reading.expires_on == (None if state == "broken" else march(10))
    gap = OpenGap(march(8), march(7 + missed), missed) if missed else None
    assert reading.repairable == gap


def test_calendar_days_hold_the_frozen_ones() -> None:
    reading = read_daily(learner(1, 2, 3, 5), TWO_IN_THREE, march(5))
    assert (reading.current, reading.calendar_days) == (4, 5)
    assert (reading.freezes_left, reading.next_freeze_in) == (0, 2)


def test_an_excused_today_is_no_risk() -> None:
    reading = read_daily(learner(1, 2, excused=days(3, 4)), WITHOUT_FREEZES, march(3))
    assert (reading.state, reading.expires_on) == ("safe", march(5))
    assert reading.repairable is None


def test_an_excuse_repairs_an_open_gap() -> None:
    broken = read_daily(learner(1, 2, excused=days(4)), WITHOUT_FREEZES, march(6))
    assert broken.repairable == OpenGap(march(3), march(5), 2)
    repaired = read_daily(learner(1, 2, excused=days(3, 4, 5)), WITHOUT_FREEZES, march(6))
    assert (repaired.state, repaired.current) == ("at_risk", 2)


def test_a_streak_expires_on_the_calendars_last_day_at_the_latest() -> None:
    last = dt.date.max.toordinal()
    streaks = Streaks(Days([(last - 9, last - 5)]), Days([(last - 4, last)]))
    assert expires_on(streaks.daily(TWO_IN_THREE)) == dt.date.max
    assert expires_on(Streaks().daily(TWO_IN_THREE)) is None
    assert read_daily(streaks, TWO_IN_THREE, dt.date.max).current == 5


def test_the_days_of_a_range_have_a_status() -> None:
    streaks = learner(4, 5, 6, 8, 13, 14, 15, excused=days(2, 11, 17, 20))
    found = day_statuses(streaks, TWO_IN_THREE, march(18), march(1), march(20))
    by_day = {day: status for day, status in enumerate(found, start=1) if status != "active"}
    assert by_day == {
        1: None,
        2: "excused",
        3: None,
        7: "frozen",
        9: "missed",
        10: "missed",
        11: "excused",
        12: "missed",
        16: "frozen",
        17: "excused",
        18: "future",
        19: "future",
        20: "excused",
    }
    later = day_statuses(streaks, TWO_IN_THREE, march(20), march(16), march(19))
    assert later == ["missed", "excused", "missed", "missed"]


def test_a_learner_without_activity_has_no_days_but_future_and_excused_ones() -> None:
    found = day_statuses(learner(excused=days(2)), TWO_IN_THREE, march(3), march(1), march(4))
    assert found == [None, "excused", "future", "future"]


def test_an_empty_range_has_no_days() -> None:
    assert day_statuses(learner(1), TWO_IN_THREE, march(3), march(4), march(3)) == []
    assert list(streaks_by_day(learner(1), TWO_IN_THREE, march(4), march(3))) == []


def test_streaks_by_day_are_those_of_the_day() -> None:
    streaks = learner(1, 2, 3, 5, 9)
    assert list(streaks_by_day(streaks, TWO_IN_THREE, march(2), march(9))) == [
        (2, 2),
        (3, 3),
        (3, 3),
        (4, 4),
        (4, 4),
        (0, 4),
        (0, 4),
        (1, 4),
    ]


def test_this_week_counts_once_it_is_met() -> None:
    thrice = StreakPolicy(week_days=3)
    streaks = learner(2, 3, 4, 9, 10)  # 2026-03-02 is a Monday
    reading = read_weekly(streaks, thrice, march(11))
    assert (reading.current, reading.longest, reading.week) == (1, 1, "2026-W11")
    assert (reading.active_days, reading.needed, reading.met) == (2, 3, False)
    streaks.add_active(march(15))
    reading = read_weekly(streaks, thrice, march(15))
    assert (reading.current, reading.longest, reading.met) == (2, 2, True)
    assert read_weekly(streaks, thrice, march(22)).current == 2
    assert read_weekly(streaks, thrice, march(23)).current == 0


def test_a_skipped_week_is_bridged() -> None:
    streaks = learner(2, excused=days(*range(9, 16)))
    this_week = read_weekly(streaks, WITHOUT_FREEZES, march(12))
    assert (this_week.skipped, this_week.met, this_week.needed) == (True, False, 0)
    assert this_week.current == 1
    assert read_weekly(streaks, WITHOUT_FREEZES, march(22)).current == 1
    assert read_weekly(streaks, WITHOUT_FREEZES, march(23)).current == 0


@pytest.mark.parametrize(
    ("day", "starts_on", "name"),
    [
        (dt.date(2026, 11, 29), 0, "2026-W48"),
        (dt.date(2026, 11, 29), 6, "2026-W49"),
        (dt.date(2027, 1, 3), 0, "2026-W53"),
        (dt.date(2026, 12, 31), 5, "2026-W53"),
        (dt.date.min, 0, "0001-W01"),
        (dt.date.min, 1, "0001-W01"),
        (dt.date.max, 6, "9999-W52"),
    ],
)
def test_a_week_is_named_by_its_fourth_day(day: dt.date, starts_on: int, name: str) -> None:
    assert week_name(week_of(day.toordinal(), starts_on), starts_on) == name


def test_consistency_counts_four_weeks() -> None:
    active = days(1, 2, 3, 4, 28, 29)
    assert consistency(active, march(28)) == 5
    assert consistency(active, march(29)) == 5
    assert consistency(active, march(31)) == 3
    assert consistency(Days(), dt.date.min) == 0
