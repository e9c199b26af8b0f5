"""Windows of local days: which days an answer shows, and which days to read for it.

A window without a given end ends today. A learner who moves to a zone that is behind has active
days after today. Then the window ends with the last of them.

The learner's zone and last active day are not known before the read. So the read begins early
enough for every zone and has no end, and the answer is cut to the window afterwards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from progress_worker.http.api.responses_over_time import Period
from progress_worker.storage.read.views import Stamp

ONE_DAY: Final = dt.timedelta(days=1)
#: The zone 12 hours behind UTC, and a day that starts at 23:00.
_LATEST_START: Final = dt.timedelta(hours=12 + 23)
#: A year's days, a leap year's included.
MAX_DAYS: Final = 366
DEFAULT_DAYS: Final = 30
TREND_DAYS: Final = 7
DAYS_OF_WEEK: Final = 7

PERIOD_DAYS: Final[dict[Period, int]] = {"daily": 1, "weekly": 7, "monthly": 30}


@dataclass(frozen=True, slots=True)
class Window:
    """Local days from `first` to `last`, both included. Empty if `last` is before `first`."""

    first: dt.date
    last: dt.date

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    def __len__(self) -> int:
        return max(0, (self.last - self.first).days + 1)

    def __iter__(self) -> Iterator[dt.date]:
        first = self.first.toordinal()
        return map(dt.date.fromordinal, range(first, first + len(self)))


def last_days(days: int, last: dt.date) -> Window:
    """This many days up to `last`, or fewer, because the calendar begins with the year 1."""
    return Window(dt.date.fromordinal(max(1, last.toordinal() - days + 1)), last)


def last_shown(stamp: Stamp, now: dt.datetime) -> dt.date:
    """The last day that windows show: the later of today and the last active day."""
    local = stamp.clock.day_of(now)
    return max(local, stamp.last_active_day or local)


def span(days: int, now: dt.datetime) -> Window:
    """The days to read so that the last `days` local days are known in any zone."""
    return Window(last_days(days, earliest_today(now)).first, dt.date.max)


def earliest_today(now: dt.datetime) -> dt.date:
    """Today in the last zone of the world to reach it, if days start there as late as they can."""
    return (now.astimezone(dt.UTC) - _LATEST_START).date()


@dataclass(frozen=True, slots=True)
class Range:
    """A range of days from a request. Raises ValueError if it makes no sense.

    With `start` alone it ends with the last day that windows show. Without `start` it has `days`
    days up to `end`, or up to that last day.
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

    def window(self, last_shown: dt.date) -> Window:
        """The range's days, also those without a row. Raises ValueError if there are too many."""
        last = self.end or last_shown
        if self.start is None:
            return last_days(self.days or DEFAULT_DAYS, last)
        window = Window(self.start, max(self.start, last))
        _check_length(window)
        return window

    def span(self, now: dt.datetime) -> Window:
        """The days to read so that the answer is known in any zone."""
        if self.start is not None:
            return Window(self.start, self.end or dt.date.max)
        days = self.days or DEFAULT_DAYS
        return last_days(days, self.end) if self.end else span(days, now)


def _check_length(window: Window) -> None:
    if len(window) > MAX_DAYS:
        raise ValueError(f"a range has at most {MAX_DAYS} days")
