"""The trend of time and grades over a week, a month and a year, as geometry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from progress_worker.domain.totals import Totals, sum_of
from progress_worker.http.api.windows import ONE_DAY, TREND_DAYS, Window, last_days
from progress_worker.http.page.year import firsts

SpanName = Literal["week", "month", "year"]

MONTH_DAYS: Final = 30

#: A point's share of the drawing's width, and the height of the drawing.
_SLOT: Final = 10
_HEIGHT: Final = 100
_BAR_WIDTH: Final = 7
#: So that the smallest bar and a grade of zero can be seen.
_LEAST: Final = 2


@dataclass(frozen=True, slots=True)
class Point:
    """A day, or a month of a year's trend, and its bar of time measured from the top."""

    window: Window
    totals: Totals
    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> int:
        """Where the point's grade is drawn."""
        return self.x + self.width // 2

    @property
    def grade_y(self) -> float | None:
        """The height at which its average grade is drawn, from the top; None without grades."""
        grade = self.totals.average_grade
        return None if grade is None else round(_HEIGHT - grade, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """The points of a span, what they sum up to, and the same for the span before."""

    name: SpanName
    points: list[Point]
    totals: Totals
    before: Totals | None
    most_seconds: int

    @property
    def width(self) -> int:
        """The width of the drawing."""
        return len(self.points) * _SLOT

    @property
    def graded(self) -> list[Point]:
        """The points that have a grade."""
        return [point for point in self.points if point.grade_y is not None]


def draw_spans(days: Mapping[dt.date, Totals], year: Window) -> list[Span]:
    """The trend until the year's last day."""
    spans: list[tuple[SpanName, int]] = [("week", TREND_DAYS), ("month", MONTH_DAYS)]
    return [_of_days(name, count, days, year.last) for name, count in spans] + [
        _of_year(days, year)
    ]


def first_with_practice(spans: list[Span]) -> SpanName:
    """The shortest span that has something to show, or else the shortest."""
    return next((span.name for span in spans if span.totals.completions), spans[0].name)


def _of_days(name: SpanName, count: int, days: Mapping[dt.date, Totals], last: dt.date) -> Span:
    window = last_days(count, last)
    before = last_days(count, window.first - ONE_DAY)
    return _span(name, [Window(day, day) for day in window], days, _sum(days, before))


def _of_year(days: Mapping[dt.date, Totals], year: Window) -> Span:
    edges = [*firsts(year), year.last + ONE_DAY]
    months = [Window(first, following - ONE_DAY) for first, following in pairwise(edges)]
    return _span("year", months, days, None)


def _span(
    name: SpanName,
    windows: list[Window],
    days: Mapping[dt.date, Totals],
    before: Totals | None,
) -> Span:
    sums = [_sum(days, window) for window in windows]
    most = max(totals.time_spent_seconds for totals in sums)
    return Span(
        name=name,
        points=[
            _point(place, window, totals, totals.time_spent_seconds / (most or 1))
            for place, (window, totals) in enumerate(zip(windows, sums, strict=True))
        ],
        totals=sum_of(sums),
        before=before,
        most_seconds=most,
    )


def _point(place: int, window: Window, totals: Totals, share: float) -> Point:
    height = max(_LEAST, round(_HEIGHT * share)) if totals.completions else 0
    return Point(
        window=window,
        totals=totals,
        x=place * _SLOT + (_SLOT - _BAR_WIDTH) // 2,
        y=_HEIGHT - height,
        width=_BAR_WIDTH,
        height=height,
    )


def _sum(days: Mapping[dt.date, Totals], window: Window) -> Totals:
    return sum_of(days[day] for day in window if day in days)
