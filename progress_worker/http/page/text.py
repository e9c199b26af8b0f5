"""Figures and days as the page writes them."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_DOWN, Decimal
from typing import Final

_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
_SHORT: Final = 3


def number(value: int) -> str:
    """As in 12,345."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """As in 1 day, 12 days."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def between(least: int, most: int | None) -> str:
    """As in 1, 2 or 3, 4 to 6. Without `most` as in 7 or more."""
    if most is None:
        return f"{least:,} or more"
    if least == most:
        return f"{least:,}"
    return f"{least:,} {'or' if most == least + 1 else 'to'} {most:,}"


def duration(seconds: int) -> str:
    """Hours and minutes, rounded down, as in 3 h 20 min. From 100 hours on, hours only."""
    if 0 < seconds < 60:
        return "under 1 min"
    hours, minutes = divmod(seconds // 60, 60)
    if hours >= 100:
        return f"{hours:,} h"
    parts = [f"{hours:,} h"] if hours else []
    return " ".join([*parts, f"{minutes} min"] if minutes or not hours else parts)


def grade(value: float | None) -> str:
    """As in 83.5%. Rounded down, so that nobody seems to have reached what is still missing."""
    if value is None:
        return "none yet"
    down = Decimal(repr(value)).quantize(Decimal("0.1"), ROUND_DOWN)
    return f"{down}".removesuffix(".0") + "%"


def day(value: dt.date) -> str:
    """As in 23 November 2026."""
    return f"{value.day} {month(value)}"


def short_day(value: dt.date) -> str:
    """As in 23 Nov."""
    return f"{value.day} {short_month(value)}"


def weekday_and_day(value: dt.date) -> str:
    """As in Monday, 23 November 2026."""
    return f"{_WEEKDAYS[value.weekday()]}, {day(value)}"


def weekday(value: dt.date) -> str:
    """As in Monday."""
    return _WEEKDAYS[value.weekday()]


def month(value: dt.date) -> str:
    """As in November 2026."""
    return f"{_MONTHS[value.month - 1]} {value.year}"


def short_weekday(value: dt.date) -> str:
    """As in Mon."""
    return weekday(value)[:_SHORT]


def short_month(value: dt.date) -> str:
    """As in Nov."""
    return _MONTHS[value.month - 1][:_SHORT]


def visible(name: str) -> str:
    """The name, or a word in its place if the name has no visible characters."""
    seen = any(character.isprintable() and not character.isspace() for character in name)
    return name if seen else "(nameless)"


def isolated(name: str) -> str:
    """The name for the middle of a sentence, whose direction it cannot change."""
    return f"\N{FIRST STRONG ISOLATE}{visible(name)}\N{POP DIRECTIONAL ISOLATE}"
