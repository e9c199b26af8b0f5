"""How far a learner is towards the own goal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from progress_worker.domain.preferences import Goal
from progress_worker.domain.totals import Totals, sum_of
from progress_worker.domain.weeks import first_day_of_week, week_of


class GoalReading(NamedTuple):
    """What counts from `first` to `last`, both included, and how much it is: `current`."""

    first: dt.date
    last: dt.date
    current: int


def read_goal(
    goal: Goal,
    chosen_on: dt.date,
    today: dt.date,
    week_starts_on: int,
    days: Mapping[dt.date, Totals],
) -> GoalReading:
    """The goal as read on the local day `today`; `chosen_on` is the day on which it was set.

    With `by`, all days from `chosen_on` to `by` count together. Without it, the calendar week of
    `today` counts, also the days of it before `chosen_on`. `days` has the sums of these days, and
    perhaps of others. Minutes are whole ones of the time spent in all.
    """
    if goal.by is None:
        monday = first_day_of_week(week_of(today.toordinal(), week_starts_on), week_starts_on)
        first, last = _date(monday), _date(monday + 6)
    else:
        first, last = min(chosen_on, goal.by), goal.by
    counted = [totals for day, totals in days.items() if first <= day <= last]
    sums = sum_of(counted)
    current = {
        "exercises": sums.completions,
        "minutes": sums.time_spent_seconds // 60,
        "active_days": sum(totals.completions > 0 for totals in counted),
    }[goal.measure]
    return GoalReading(first, last, current)


def _date(ordinal: int) -> dt.date:
    """That day, or the nearest one of the calendar."""
    return dt.date.fromordinal(min(max(1, ordinal), dt.date.max.toordinal()))
