"""The calendar of a year: a column for each week, shaded by the learner's own habits."""

from __future__ import annotations

import calendar
import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from progress_worker.domain.streak_reading import DayStatus
from progress_worker.domain.totals import Totals, sum_of
from progress_worker.http.api.windows import ONE_DAY, Window

MONTHS: Final = 12
_DAYS_OF_WEEK: Final = 7
_QUARTERS: Final = 4
MARKED: Final[tuple[DayStatus, ...]] = ("frozen", "excused")


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar, its shade, and what it is to the streak.

    The shade is 0 without an exercise, and 4 for the fullest days.
    """

    date: dt.date
    totals: Totals
    shade: int
    status: DayStatus | None


@dataclass(frozen=True, slots=True)
class Week:
    """A column from Monday to Sunday. Days before and after the calendar are None."""

    days: tuple[Day | None, ...]

    @property
    def month(self) -> dt.date | None:
        """The first day of a month, if the week has it."""
        return next((day.date for day in self.days if day and day.date.day == 1), None)


@dataclass(frozen=True, slots=True)
class Month:
    """What a month of the calendar sums up to."""

    first: dt.date
    active_days: int
    totals: Totals


@dataclass(frozen=True, slots=True)
class Shade:
    """The number of exercises on a day that has this shade. The last shade has no `most`."""

    shade: int
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Year:
    """The calendar, its months, and the legend of its shades without the one for no exercise.

    `marked` are the statuses that the calendar marks, as far as it has such days.
    """

    weeks: list[Week]
    months: list[Month]
    legend: list[Shade]
    marked: list[DayStatus]
    active_days: int


def months_until(last: dt.date) -> Window:
    """The days of the twelve calendar months up to that day, which is in the twelfth."""
    months = last.year * 12 + last.month - MONTHS
    return Window(dt.date(months // 12, months % 12 + 1, 1), last)


def firsts(window: Window) -> Iterator[dt.date]:
    """The first day of each month of a window that begins with one."""
    first = window.first
    while first <= window.last:
        yield first
        first += ONE_DAY * calendar.monthrange(first.year, first.month)[1]


def draw_year(
    days: Mapping[dt.date, Totals], statuses: Mapping[dt.date, DayStatus | None], year: Window
) -> Year:
    """The calendar of the year's days. Each of them has a status."""
    shown = {day: totals for day, totals in days.items() if day in year}
    steps = _steps(totals.completions for totals in shown.values())
    return Year(
        weeks=[_week(monday, shown, statuses, steps) for monday in _mondays(year)],
        months=[_month(first, shown) for first in firsts(year)],
        legend=_legend(steps),
        marked=[status for status in MARKED if status in statuses.values()],
        active_days=len(shown),
    )


def _steps(counts: Iterable[int]) -> list[int]:
    """From how many exercises on the shades begin: the quartiles of the learner's active days.

    There are fewer than four if quartiles are equal.
    """
    ordered = sorted(counts)
    quarters = (ordered[len(ordered) * quarter // _QUARTERS] for quarter in range(_QUARTERS))
    return sorted(set(quarters)) if ordered else []


def _shade(exercises: int, steps: list[int]) -> int:
    """The fullest days have the strongest shade, however many shades there are."""
    reached = bisect_right(steps, exercises)
    return _QUARTERS - len(steps) + reached if reached else 0


def _legend(steps: list[int]) -> list[Shade]:
    ends = [*(following - 1 for following in steps[1:]), None]
    return [
        Shade(_shade(least, steps), least, most)
        for least, most in zip(steps, ends[: len(steps)], strict=True)
    ]


def _mondays(year: Window) -> Iterator[dt.date]:
    monday = year.first - ONE_DAY * year.first.weekday()
    while monday <= year.last:
        yield monday
        monday += ONE_DAY * _DAYS_OF_WEEK


def _week(
    monday: dt.date,
    days: Mapping[dt.date, Totals],
    statuses: Mapping[dt.date, DayStatus | None],
    steps: list[int],
) -> Week:
    def day(date: dt.date) -> Day:
        totals = days.get(date, Totals())
        return Day(date, totals, _shade(totals.completions, steps), statuses[date])

    dates = (monday + ONE_DAY * offset for offset in range(_DAYS_OF_WEEK))
    return Week(tuple(day(date) if date in statuses else None for date in dates))


def _month(first: dt.date, days: Mapping[dt.date, Totals]) -> Month:
    found = [
        totals
        for date, totals in days.items()
        if (date.year, date.month) == (first.year, first.month)
    ]
    return Month(first, len(found), sum_of(found))
