"""Windows of local days: which days an answer needs, before the learner's zone is known.

Somewhere it is still yesterday and somewhere already tomorrow, so reads span one day more on
either side of UTC's date, and the answer is cut to the learner's own days afterwards.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from progress_worker.http.responses_over_time import Period

ONE_DAY: Final = dt.timedelta(days=1)
#: A year's days, a leap year's included.
MAX_DAYS: Final = 366
DEFAULT_DAYS: Final = 30
TREND_DAYS: Final = 7

PERIOD_DAYS: Final[dict[Period, int]] = {"daily": 1, "weekly": 7, "monthly": 30}


@dataclass(frozen=True, slots=True)
class Window:
    """Local days from `first` to `last`, both included; empty when `last` is the earlier one."""

    first: dt.date
    last: dt.date

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    def __len__(self) -> int:
        return max(0, (self.last - self.first).days + 1)


def last_days(days: int, last: dt.date) -> Window:
    """So many days up to `last`; the calendar begins with the year 1."""
    return Window(dt.date.fromordinal(max(1, last.toordinal() - days + 1)), last)


def span(days: int, now: dt.datetime) -> Window:
    """What has to be read to know the last `days` local days in any zone."""
    utc = now.astimezone(dt.UTC).date()
    return last_days(days + 2, utc + ONE_DAY)


@dataclass(frozen=True, slots=True)
class Range:
    """A range of days as it was asked for; raises ValueError when it makes no sense.

    `start` alone runs through today; without `start` it is `days` days up to `end`, or today.
    """

    days: int | None = None
    start: dt.date | None = None
    end: dt.date | None = None

    def __post_init__(self) -> None:
        if self.start is None:
            return
        if self.days is not None:
            raise ValueError("give `days` or `start_date`, not both")
        if self.end is not None:
            if self.start > self.end:
                raise ValueError("`start_date` lies after `end_date`")
            _check_length(Window(self.start, self.end))

    def window(self, today: dt.date) -> Window:
        """The range's days, those after today included; raises ValueError when too many."""
        last = self.end or today
        if self.start is None:
            return last_days(self.days or DEFAULT_DAYS, last)
        window = Window(self.start, max(self.start, last))
        _check_length(window)
        return window

    def span(self, now: dt.datetime) -> Window:
        """What has to be read to answer in any zone."""
        tomorrow = now.astimezone(dt.UTC).date() + ONE_DAY
        if self.start is None:
            days = self.days or DEFAULT_DAYS
            return last_days(days, self.end) if self.end else span(days, now)
        return Window(self.start, min(self.end or tomorrow, tomorrow))


def _check_length(window: Window) -> None:
    if len(window) > MAX_DAYS:
        raise ValueError(f"a range has at most {MAX_DAYS} days")
