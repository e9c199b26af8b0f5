"""Streaks counted again day by day and week by week: slow, and too simple to be wrong."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class NaiveStreak(NamedTuple):
    """A daily streak as read on a day, found by walking day by day. Days are ordinals."""

    current: int
    longest: int
    #: Units of 1/`earn_every` of a freeze; 0 when the run is broken.
    credit: int
    #: The run's first day; None without one.
    first: int | None
    alive: bool
    #: The missed days after the last active day.
    gap: list[int]
    #: Every missed day since the first active one, and whether a freeze pays for it.
    missed: dict[int, bool]


def naive_daily(
    active: set[int], excused: set[int], cap: int, earn_every: int, today: int
) -> NaiveStreak:
    """The walk of the rules, day by day."""
    credit = run = longest = 0
    first, gap, missed = None, list[int](), dict[int, bool]()
    for day in range(min(active, default=today), max([today - 1, *active]) + 1):
        if day in active:
            pays = run > 0 and len(gap) * earn_every <= credit
            missed |= dict.fromkeys(gap, pays)
            if pays:
                credit -= len(gap) * earn_every
                run += 1
            else:
                credit, run, first = 0, 1, day
            credit = min(cap * earn_every, credit + 1)
            gap = []
            longest = max(longest, run)
        elif day not in excused:
            gap.append(day)
    alive = run > 0 and len(gap) * earn_every <= credit
    missed |= dict.fromkeys(gap, alive)
    left = credit - len(gap) * earn_every if alive else 0
    return NaiveStreak(run if alive else 0, longest, left, first, alive, gap, missed)


def naive_expiry(
    active: set[int], excused: set[int], cap: int, earn_every: int, today: int
) -> int | None:
    """The first day from `today` on after which the streak is broken; None if it is already."""
    if not naive_daily(active, excused, cap, earn_every, today).alive:
        return None
    day = today
    while naive_daily(active, excused, cap, earn_every, day + 1).alive:
        day += 1
    return day


def naive_verdict(active: int, excused: int, days: int) -> str:
    """A week with that many active days, and excused days that are not active, out of seven."""
    if excused == 7:
        return "skipped"
    return "met" if active >= max(1, math.ceil(Fraction(days * (7 - excused), 7))) else "broken"


def naive_weeks(
    active: set[int], excused: set[int], starts_on: int, days: int, today: int
) -> list[str]:
    """The verdicts from the first active week to the later of today's and the last active one."""
    if not active:
        return []
    last = max([today, *active])
    begin = min(active)
    while dt.date.fromordinal(begin).weekday() != starts_on:
        begin -= 1
    verdicts = []
    for first in range(begin, last + 1, 7):
        week = set(range(first, first + 7))
        verdicts.append(naive_verdict(len(week & active), len(week & excused - active), days))
    return verdicts


def naive_weekly(verdicts: Sequence[str]) -> tuple[int, int]:
    """Current and longest streak after these weeks. The last one is not over."""
    length = longest = 0
    for at, verdict in enumerate(verdicts):
        if verdict == "met":
            length += 1
        elif verdict == "broken" and at < len(verdicts) - 1:
            length = 0
        longest = max(longest, length)
    return length, longest
