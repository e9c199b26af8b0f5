"""Calendar weeks that are met, skipped or broken, and the streaks of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from progress_worker.domain.days import Run, count_days_from, skip_runs

#: Lies before every week that holds a date.
_NO_WEEK: Final = -2


def week_of(ordinal: int, starts_on: int) -> int:
    """The number of the day's week; weeks begin on that weekday (0 for Monday)."""
    return (ordinal - 1 - starts_on) // 7


def first_day_of_week(week: int, starts_on: int) -> int:
    """The ordinal of the first day of a week that `week_of` numbers."""
    return week * 7 + 1 + starts_on


def days_needed(week_days: int, excused_days: int) -> int:
    """Active days that meet a week with that many excused days; 0 means the week is skipped."""
    return (week_days * (7 - excused_days) + 6) // 7


class WeeklyStreak:
    """The run of weeks that the last active day's week lies in, and the longest run.

    Lengths are in weeks that are met. `week` is the last active day's. It counts in `length` as
    soon as it is `met`, and breaks the run only once it is over.
    """

    __slots__ = (
        "_at",
        "active_days",
        "excused",
        "excused_days",
        "length",
        "longest",
        "met",
        "week",
        "week_days",
        "week_starts_on",
    )

    def __init__(self, week_starts_on: int, week_days: int, excused: Sequence[Run]) -> None:
        self.week_starts_on = week_starts_on
        self.week_days = week_days
        self.excused = excused
        #: The index of the first excused run that ends in `week` or later.
        self._at = 0
        self.week = _NO_WEEK
        self.active_days = 0
        #: Days of the week that are excused and not active.
        self.excused_days = 0
        self.met = False
        self.length = 0
        self.longest = 0

    def add(self, first: int, last: int) -> None:
        """Append active days from `first` to `last`, all of them after the last active day."""
        end = first_day_of_week(week_of(first, self.week_starts_on) + 1, self.week_starts_on) - 1
        self._add_to_week(first, min(last, end))
        whole = (last - end) // 7
        if whole > 0:
            self._add_to_week(end + 1, end + 7)
            self.week += whole - 1
            self._lengthen(whole - 1)
            end += 7 * whole
        if end < last:
            self._add_to_week(end + 1, last)

    def _add_to_week(self, first: int, last: int) -> None:
        week = week_of(first, self.week_starts_on)
        if week != self.week:
            self._begin(week)
        self.active_days += last - first + 1
        if self.excused_days:
            self.excused_days -= count_days_from(self.excused, self._at, first, last)
        if not self.met and self.active_days >= days_needed(self.week_days, self.excused_days):
            self.met = True
            self._lengthen(1)

    def _begin(self, week: int) -> None:
        self.length = self.length_on(week)
        self.week, self.active_days, self.excused_days, self.met = week, 0, 0, False
        if self.excused:
            first = first_day_of_week(week, self.week_starts_on)
            self._at = skip_runs(self.excused, self._at, first)
            self.excused_days = count_days_from(self.excused, self._at, first, first + 6)

    def _lengthen(self, weeks: int) -> None:
        self.length += weeks
        self.longest = max(self.longest, self.length)

    def length_on(self, week: int) -> int:
        """The length when read in this week; 0 when the run is broken by then."""
        if week <= self.week:
            return self.length
        return self.length if self.met and self._skips_to(week) else 0

    def _skips_to(self, week: int) -> bool:
        """Whether every day of the weeks between the last active one and this is excused."""
        if week == self.week + 1:
            return True
        if not self.excused:
            return False
        first = first_day_of_week(self.week + 1, self.week_starts_on)
        after = first_day_of_week(week, self.week_starts_on)
        return count_days_from(self.excused, self._at, first, after - 1) == after - first
