"""The longest streak as days: when it began and ended, and what each of its days was."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from progress_worker.domain.days import Run
from progress_worker.domain.streak_reading import DayStatus, day_statuses
from progress_worker.domain.streaks import DailyStreak, StreakPolicy, Streaks
from progress_worker.domain.weeks import WeeklyStreak, first_day_of_week

_LAST_OF_WEEK = 6


class DaysAlike(NamedTuple):
    """Consecutive days of one status, both included."""

    first_day: dt.date
    last_day: dt.date
    status: DayStatus


def longest_days_run(streaks: Streaks, policy: StreakPolicy) -> Run | None:
    """The first and the last active day of the longest daily streak, the earliest of several."""
    streak, found = DailyStreak(policy, streaks.excused_runs(policy)), None
    for first, last in streaks.active.runs:
        longest = streak.longest
        streak.add(first, last)
        if streak.longest > longest:
            found = (streak.first, last)
    return found


def longest_weeks_run(streaks: Streaks, policy: StreakPolicy) -> Run | None:
    """The days of the longest weekly streak's weeks, up to the last active day."""
    starts_on = policy.week_starts_on
    streak = WeeklyStreak(starts_on, policy.week_days, streaks.excused_runs(policy))
    begun, found = 0, None
    for day in streaks.active:
        longest = streak.longest
        streak.add(day.toordinal(), day.toordinal())
        if streak.length == 1 and streak.met:
            begun = streak.week
        if streak.longest > longest:
            last = first_day_of_week(streak.week, starts_on) + _LAST_OF_WEEK
            found = (first_day_of_week(begun, starts_on), last)
    if found is None:
        return None
    return max(1, found[0]), min(found[1], streaks.active.runs[-1][1])


def days_of_run(streaks: Streaks, policy: StreakPolicy, run: Run) -> list[DaysAlike]:
    """What the days of a run are to streaks of days. Days before the first active one are left out.

    Days that a freeze paid for are frozen, and so they are in a streak of weeks too.
    """
    first, last = (dt.date.fromordinal(ordinal) for ordinal in run)
    over = dt.date.fromordinal(min(run[1] + 1, dt.date.max.toordinal()))
    found: list[DaysAlike] = []
    for ordinal, status in enumerate(
        day_statuses(streaks, policy, over, first, last), first.toordinal()
    ):
        day = dt.date.fromordinal(ordinal)
        if status is None:
            continue
        if found and found[-1].status == status:
            found[-1] = found[-1]._replace(last_day=day)
        else:
            found.append(DaysAlike(day, day, status))
    return found
