"""What the sentences of every language need: names, dates, and the window of a node."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final, NamedTuple

from babel.dates import format_date
from babel.numbers import format_decimal

from progress_worker.domain.explained_tree import Node

_MINUTE: Final = 60
_LEAP_YEAR: Final = 2000


class Names(NamedTuple):
    """The display names of topics, and of achievements by their ids, in the reader's language."""

    topic: Callable[[str], str]
    achievement: Callable[[str], str]


def parts_held(node: Node) -> int:
    """How many of the parts hold."""
    return sum(part.holds for part in node.parts)


def number(value: float, language: str) -> str:
    """As in 12,345."""
    text: str = format_decimal(value, locale=language)
    return text


def day(value: dt.date, language: str) -> str:
    """As in 30 November 2026."""
    return _date(value, "d. MMMM y" if language == "de" else "d MMMM y", language)


def day_of_year(month_and_day: str, language: str) -> str:
    """As in 24 December, from 12-24."""
    month, of_month = map(int, month_and_day.split("-"))
    value = dt.date(_LEAP_YEAR, month, of_month)
    return _date(value, "d. MMMM" if language == "de" else "d MMMM", language)


def month(value: str, language: str) -> str:
    """As in November 2026, from 2026-11."""
    return _date(dt.date.fromisoformat(f"{value}-01"), "LLLL y", language)


def week(value: str) -> str:
    """As in 2026-W48, from 202648."""
    return f"{value[:-2]}-W{value[-2:]}"


def duration(seconds: int) -> str:
    """As in 1 h 5 min 10 s."""
    minutes, rest = divmod(seconds, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def _date(value: dt.date, pattern: str, language: str) -> str:
    text: str = format_date(value, pattern, locale=language)
    return text
