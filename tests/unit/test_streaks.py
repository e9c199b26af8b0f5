"""Streaks: the examples of the rules, and when a fold is extended or forgotten."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.days import Days, Run
from progress_worker.domain.streaks import DailyStreak, StreakPolicy, Streaks
from progress_worker.domain.weeks import days_needed

WITHOUT_FREEZES = StreakPolicy()
TWO_IN_THREE = StreakPolicy(cap=2, earn_every=3)
MONDAY = dt.date(2026, 3, 2)


def march(day: int) -> dt.date:
    """That day of March 2026; 0 is the last of February."""
    return dt.date(2026, 2, 28) + dt.timedelta(days=day)


def days(*numbers: int) -> Days:
    some = Days()
    for number in numbers:
        some.add(march(number))
    return some


def streaks(*active: int, excused: Days | None = None, travelled: Days | None = None) -> Streaks:
    return Streaks(days(*active), excused, travelled)


def run(*numbers: int) -> Run:
    """From the first day of March to the last one named."""
    return march(numbers[0]).toordinal(), march(numbers[-1]).toordinal()


def fold(streak: DailyStreak) -> tuple[int, int, int]:
    return streak.length, streak.credit, streak.longest


def test_nobody_starts_with_a_streak() -> None:
    assert fold(streaks().daily(TWO_IN_THREE)) == (0, 0, 0)
    assert streaks().longest_weeks(TWO_IN_THREE) == 0


def test_a_freeze_bridges_a_missed_day_and_a_late_day_refunds_it() -> None:
    learner = streaks(1, 2, 3, 5)
    assert fold(learner.daily(TWO_IN_THREE)) == (4, 1, 4)
    assert learner.add_active(march(4))
    assert fold(learner.daily(TWO_IN_THREE)) == (5, 5, 5)


def test_a_gap_is_bridged_all_or_nothing() -> None:
    assert fold(streaks(1, 2, 3, 6).daily(TWO_IN_THREE)) == (1, 1, 3)


def test_an_excused_day_costs_nothing() -> None:
    excused = streaks(1, 2, 3, 6, excused=days(5))
    travelled = streaks(1, 2, 3, 6, travelled=days(5))
    everybody = streaks(1, 2, 3, 6)
    holiday = TWO_IN_THREE._replace(excused=(run(5),))
    for learner, policy in (
        (excused, TWO_IN_THREE),
        (travelled, TWO_IN_THREE),
        (everybody, holiday),
    ):
        assert fold(learner.daily(policy)) == (4, 1, 4)


def test_freezes_are_earned_by_active_days_only() -> None:
    assert fold(streaks(1, 3, 5).daily(TWO_IN_THREE)) == (1, 1, 1)
    assert fold(streaks(1, 3, 5, excused=days(2, 4)).daily(TWO_IN_THREE)) == (3, 3, 3)


def test_a_late_day_does_not_shorten_the_longest_streak() -> None:
    learner = streaks(0, 1, 2, 7, 9, 10, 11)
    before = learner.longest_days(TWO_IN_THREE)
    learner.add_active(march(5))
    assert learner.longest_days(TWO_IN_THREE) >= before


def test_the_meter_is_full_at_the_cap() -> None:
    assert streaks(*range(1, 31)).daily(TWO_IN_THREE).credit == 6


def test_excused_days_that_are_active_count_as_active() -> None:
    assert fold(streaks(1, 2, 3, excused=days(1, 2, 3)).daily(WITHOUT_FREEZES)) == (3, 0, 3)


def test_a_run_without_freezes_breaks_with_every_missed_day() -> None:
    assert streaks(1, 2, 4, 5, 6, 8).longest_days(WITHOUT_FREEZES) == 3
    assert streaks(1, 2, 4, 5, 6, 8).daily(WITHOUT_FREEZES).first == march(8).toordinal()


def test_overlapping_excuses_add_up_as_sets() -> None:
    learner = streaks(1, 9, excused=days(2, 3, 4, 5), travelled=days(5, 6))
    holiday = StreakPolicy(excused=(run(4, 8),))
    assert learner.excused_runs(holiday) == [run(2, 8)]
    assert learner.longest_days(holiday) == 2


def test_a_day_that_is_taken_back_breaks_the_run() -> None:
    learner = streaks(1, 2, 3, 4, 5)
    assert learner.longest_days(WITHOUT_FREEZES) == 5
    assert learner.remove_active(march(2))
    assert not learner.remove_active(march(2))
    assert learner.longest_days(WITHOUT_FREEZES) == 3
    assert learner.active == days(1, 3, 4, 5)


def test_a_new_day_extends_the_folds_that_were_read() -> None:
    learner = streaks(1, 2)
    daily, weekly = learner.daily(TWO_IN_THREE), learner.weekly(TWO_IN_THREE)
    assert learner.add_active(march(3))
    assert not learner.add_active(march(3))
    assert learner.daily(TWO_IN_THREE) is daily
    assert learner.weekly(TWO_IN_THREE) is weekly
    assert fold(daily) == (3, 3, 3)
    assert weekly.active_days == 2  # 2026-03-01 is a Sunday


def test_another_policy_is_folded_anew() -> None:
    learner = streaks(1, 2, 3, 5)
    assert learner.longest_days(TWO_IN_THREE) == 4
    assert learner.longest_days(WITHOUT_FREEZES) == 3
    assert learner.longest_days(TWO_IN_THREE) == 4


def test_new_excuses_are_folded_anew() -> None:
    learner = streaks(1, 3, 5)
    assert learner.longest_days(WITHOUT_FREEZES) == 1
    learner.set_excused(days(2))
    assert learner.longest_days(WITHOUT_FREEZES) == 2
    learner.set_travelled(days(4))
    assert learner.longest_days(WITHOUT_FREEZES) == 3
    learner.set_excused(Days())
    assert learner.longest_days(WITHOUT_FREEZES) == 2


def test_learners_are_equal_by_their_days() -> None:
    one, other = streaks(1, 2, excused=days(3)), streaks(1, 2, excused=days(3))
    one.longest_days(TWO_IN_THREE)
    assert one == other
    other.set_travelled(days(4))
    assert one != other
    with pytest.raises(TypeError, match="mutable"):
        hash(one)


@pytest.mark.parametrize(
    ("week_days", "excused", "needed"),
    [(1, 0, 1), (1, 6, 1), (1, 7, 0), (5, 0, 5), (5, 1, 5), (5, 2, 4), (5, 6, 1), (7, 3, 4)],
)
def test_excused_days_lower_what_a_week_needs(week_days: int, excused: int, needed: int) -> None:
    assert days_needed(week_days, excused) == needed


def weeks(*active: tuple[int, int]) -> Streaks:
    """Weeks, numbered from one, with that many active days from their Mondays on."""
    some = Days()
    for week, count in active:
        for offset in range(count):
            some.add(MONDAY + dt.timedelta(weeks=week - 1, days=offset))
    return Streaks(some)


THRICE = StreakPolicy(week_days=3)


def test_weeks_with_enough_active_days_make_a_weekly_streak() -> None:
    assert weeks((1, 3), (2, 7), (3, 4)).longest_weeks(THRICE) == 3
    assert weeks((1, 3), (2, 2), (3, 4)).longest_weeks(THRICE) == 1
    assert weeks((1, 3), (3, 4), (4, 3)).longest_weeks(THRICE) == 2


def test_the_week_of_the_last_active_day_is_not_over() -> None:
    assert weeks((1, 3), (2, 3), (3, 1)).weekly(THRICE).length == 2


def test_a_week_that_is_excused_is_skipped() -> None:
    learner = weeks((1, 3), (3, 3))
    learner.set_excused(days(*range(9, 16)))
    assert learner.longest_weeks(THRICE) == 2
    learner.set_excused(days(*range(9, 15)))
    assert learner.longest_weeks(THRICE) == 1


def test_one_long_run_meets_all_its_weeks() -> None:
    learner = Streaks(Days([(MONDAY.toordinal() + 5, MONDAY.toordinal() + 5 + 7 * 100)]))
    assert learner.longest_weeks(StreakPolicy(week_days=7)) == 99
    assert learner.longest_weeks(StreakPolicy(week_days=2)) == 101
    assert learner.longest_weeks(StreakPolicy(week_starts_on=5, week_days=7)) == 100
    assert learner.longest_weeks(StreakPolicy(week_starts_on=5, week_days=1)) == 101


def test_the_calendar_ends_without_an_overflow() -> None:
    learner = Streaks()
    for day in (dt.date.max, dt.date.min):
        learner.add_active(day)
    for starts_on in range(7):
        policy = StreakPolicy(cap=2, earn_every=5, week_starts_on=starts_on)
        assert learner.longest_days(policy) == 1
        assert learner.longest_weeks(policy) == 1
