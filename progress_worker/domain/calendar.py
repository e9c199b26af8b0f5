"""Local days by the zone rules of the `tzdata` package, so that every machine agrees on them.

A local day begins at an hour of the wall clock, 0 to 23: what is done before it belongs to the day
before. The hour is subtracted from the wall clock, so daylight saving cannot move it.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo


class UnknownTimezoneError(KeyError):
    """The IANA database has no zone with exactly this name."""


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name, case-sensitive; raises UnknownTimezoneError."""
    if not is_zone(name):
        raise UnknownTimezoneError("not a zone of the IANA database")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def is_zone(name: str) -> bool:
    """Whether `zone` knows that name."""
    return name in _zone_names()


def local_time(completed_at: dt.datetime, timezone: str | None) -> dt.datetime:
    """The instant as the named zone's clock shows it; without a name, in its own offset.

    `completed_at` is aware. Raises UnknownTimezoneError, and OverflowError where the local time
    falls outside the years 1 to 9999.
    """
    return completed_at if timezone is None else completed_at.astimezone(zone(timezone))


def utc_offset_minutes(local: dt.datetime) -> int:
    """How far the local clock is ahead of UTC; `local` is aware."""
    offset = local.utcoffset() or dt.timedelta()
    return offset.days * 24 * 60 + offset.seconds // 60


class DayStarts(NamedTuple):
    """The hours at which days start where nobody says otherwise, by the wall clock's date.

    `changes` are (date, hour) in ascending order. Before the first one, days start at midnight.
    """

    changes: Sequence[tuple[dt.date, int]] = ()

    def hour(self, date: dt.date) -> int:
        """The hour at which the day of that date starts."""
        found = 0
        for since, hour in self.changes:
            if since > date:
                break
            found = hour
        return found


def local_day(local: dt.datetime, hour: int) -> dt.date:
    """The day that a wall clock's time belongs to if days start at that hour."""
    if local.hour >= hour:
        return local.date()
    return local.date() - _ONE_DAY


class LocalClock(NamedTuple):
    """The clock by which a learner's days are read.

    That is the zone, or without one the offset from UTC in minutes, or without both UTC. `hour` is
    when the learner's days start; None leaves it to `starts`.
    """

    timezone: str | None = None
    offset_minutes: int | None = None
    hour: int | None = None
    starts: DayStarts = DayStarts()

    @property
    def name(self) -> str:
        """The zone's name, or the offset like +02:00, or UTC."""
        if self.timezone is not None:
            return self.timezone
        if not self.offset_minutes:
            return "UTC"
        hours, minutes = divmod(abs(self.offset_minutes), 60)
        return f"{'-' if self.offset_minutes < 0 else '+'}{hours:02}:{minutes:02}"

    def day_of(self, instant: dt.datetime) -> dt.date:
        """The local day of an instant (aware). Raises UnknownTimezoneError."""
        local = instant.astimezone(_tzinfo(self.timezone, self.offset_minutes))
        return local_day(local, self.hour_on(local.date()))

    def start_of(self, day: dt.date) -> dt.datetime:
        """The instant at which a local day begins, in UTC. Raises UnknownTimezoneError.

        A wall-clock time that is there twice means the first, one that was skipped the next that
        exists. Raises OverflowError at the ends of the calendar.
        """
        return _start_of(self.timezone, self.offset_minutes, self.hour_on(day), day)

    def end_of(self, day: dt.date) -> dt.datetime:
        """The instant at which a local day ends, in UTC. Raises UnknownTimezoneError.

        The calendar's last instant stands for any later one.
        """
        try:
            return self.start_of(day + _ONE_DAY)
        except OverflowError:
            return dt.datetime.max.replace(tzinfo=dt.UTC)

    def hour_on(self, date: dt.date) -> int:
        """The hour at which the day of that date starts."""
        return self.starts.hour(date) if self.hour is None else self.hour


def _tzinfo(timezone: str | None, offset_minutes: int | None) -> dt.tzinfo:
    if timezone is not None:
        return zone(timezone)
    return dt.timezone(dt.timedelta(minutes=offset_minutes or 0))


@lru_cache(maxsize=10_000)  # learners share their zones and days
def _start_of(
    timezone: str | None, offset_minutes: int | None, hour: int, day: dt.date
) -> dt.datetime:
    tzinfo = _tzinfo(timezone, offset_minutes)
    wall = dt.datetime.combine(day, dt.time(hour), tzinfo)
    instant = wall.astimezone(dt.UTC)
    if instant.astimezone(tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    return _end_of_gap(wall)


def _end_of_gap(wall: dt.datetime) -> dt.datetime:
    """The minute at which the clock was moved on over this time, which it never showed."""
    # Read with the offset from after the gap, it lies before it, and the other way round.
    early = wall.replace(fold=1).astimezone(dt.UTC)
    minutes = (wall.astimezone(dt.UTC) - early) // _ONE_MINUTE
    after = wall.replace(fold=1).utcoffset()

    def is_after(minute: int) -> bool:
        return (early + minute * _ONE_MINUTE).astimezone(wall.tzinfo).utcoffset() == after

    return early + bisect_left(range(minutes), True, key=is_after) * _ONE_MINUTE


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


_ONE_DAY = dt.timedelta(days=1)
_ONE_MINUTE = dt.timedelta(minutes=1)
