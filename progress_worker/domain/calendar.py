"""Local days by the zone rules of the `tzdata` package, so that every machine agrees on them."""

from __future__ import annotations

import datetime as dt
from functools import cache
from importlib.resources import files
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


def local_day(completed_at: dt.datetime, timezone: str | None) -> dt.date:
    """The date of `local_time`, whose errors it raises."""
    return local_time(completed_at, timezone).date()


def utc_offset_minutes(local: dt.datetime) -> int:
    """How far the local clock is ahead of UTC; `local` is aware."""
    offset = local.utcoffset() or dt.timedelta()
    return offset.days * 24 * 60 + offset.seconds // 60


def today(timezone: str | None, now: dt.datetime) -> dt.date:
    """The date of `now` (aware) in the named zone, or in UTC without a name.

    Raises UnknownTimezoneError.
    """
    return now.astimezone(dt.UTC if timezone is None else zone(timezone)).date()


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())
