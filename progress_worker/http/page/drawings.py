"""The page's drawings as geometry: a year's calendar, and the bars of the last days."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from progress_worker.domain.totals import Totals
from progress_worker.http.api.windows import ONE_DAY, TREND_DAYS, Window, last_days

MONTHS: Final = 12

#: A square gets one shade stronger at each of these numbers of exercises on its day.
SHADES: Final = (1, 2, 4, 7)

_STEP: Final = 12

_BAR_HEIGHT: Final = 112
_BAR_WIDTH: Final = 30
_SLOT: Final = 48
_IDLE_HEIGHT: Final = 3


@dataclass(frozen=True, slots=True)
class Square:
    """A day of the calendar: place, shade (0 to 4) and exercises, which are None in the future."""

    date: dt.date
    x: int
    y: int
    shade: int
    exercises: int | None
    is_today: bool


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar. Each week is a row that begins with Monday."""

    first: dt.date
    squares: tuple[Square, ...]
    active_days: int
    exercises: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A day of the last seven, its bar measured from the top of the drawing."""

    date: dt.date
    totals: Totals
    x: int
    y: int
    width: int
    height: int
    is_today: bool


def months_until(last: dt.date) -> Window:
    """The days of the twelve calendar months up to that day, which is in the twelfth."""
    months = last.year * 12 + last.month - MONTHS
    return Window(dt.date(months // 12, months % 12 + 1, 1), last)


def draw_months(days: Mapping[dt.date, Totals], today: dt.date, last: dt.date) -> list[Month]:
    """The calendar of the twelve months that end with the month of the last day."""
    return [_month(first, days, today) for first in _firsts(months_until(last))]


def draw_bars(days: Mapping[dt.date, Totals], today: dt.date, last: dt.date) -> list[Bar]:
    """The bars of the seven days up to the last one. The busiest day has the highest bar."""
    dates = [last - ONE_DAY * back for back in reversed(range(len(last_days(TREND_DAYS, last))))]
    totals = [days.get(date, Totals()) for date in dates]
    most = max(found.completions for found in totals) or 1
    return [
        _bar(place, date, found, found.completions / most, today)
        for place, (date, found) in enumerate(zip(dates, totals, strict=True))
    ]


def _firsts(window: Window) -> Iterator[dt.date]:
    first = window.first
    while first <= window.last:
        yield first
        first = (first + ONE_DAY * 31).replace(day=1)


def _month(first: dt.date, days: Mapping[dt.date, Totals], today: dt.date) -> Month:
    length = calendar.monthrange(first.year, first.month)[1]
    dates = [first + ONE_DAY * offset for offset in range(length)]
    sums = Totals()
    for date in dates:
        sums.merge(days.get(date, Totals()))
    return Month(
        first=first,
        squares=tuple(_square(date, first.weekday(), days, today) for date in dates),
        active_days=sum(date in days for date in dates),
        exercises=sums.completions,
        seconds=sums.time_spent_seconds,
    )


def _square(date: dt.date, offset: int, days: Mapping[dt.date, Totals], today: dt.date) -> Square:
    week, weekday = divmod(date.day - 1 + offset, 7)
    exercises = days[date].completions if date in days else 0
    return Square(
        date=date,
        x=weekday * _STEP,
        y=week * _STEP,
        shade=sum(exercises >= least for least in SHADES),
        exercises=exercises if date <= today or exercises else None,
        is_today=date == today,
    )


def _bar(place: int, date: dt.date, totals: Totals, share: float, today: dt.date) -> Bar:
    height = max(_IDLE_HEIGHT, round(_BAR_HEIGHT * share))
    return Bar(
        date=date,
        totals=totals,
        x=place * _SLOT + (_SLOT - _BAR_WIDTH) // 2,
        y=_BAR_HEIGHT - height,
        width=_BAR_WIDTH,
        height=height,
        is_today=date == today,
    )
