"""Progress counted again from all completions: slow, and too simple to be wrong.

It shares only the class `Completion` with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from progress_worker.domain.completion import Completion

LEVELS = ("beginner", "intermediate", "advanced", "expert")
#: Exercises and mean grade in percent, of each level above beginner.
THRESHOLDS = ((10, 60), (30, 70), (50, 80))

Thresholds = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


class Sums(NamedTuple):
    """The sums of some completions; grades are in hundredths of a percent."""

    completions: int
    graded: int
    grades: int
    seconds: int
    hints: int
    passed: int


class NaiveProgress(NamedTuple):
    """One learner's progress; only what has a completion is there."""

    overall: Sums
    totals: dict[tuple[str, str], Sums]
    days: dict[tuple[dt.date, str, str], Sums]
    active_days: list[dt.date]
    longest_streak: int
    levels: dict[str, str]
    zone: tuple[dt.datetime, UUID, str] | None


def counting(arrivals: Iterable[Completion]) -> list[Completion]:
    """Each completion's highest revision, the first to arrive of equal ones, unless revoked."""
    highest: dict[tuple[str, UUID], Completion] = {}
    for arrival in arrivals:
        key = (arrival.user_id, arrival.event_id)
        if key not in highest or arrival.revision > highest[key].revision:
            highest[key] = arrival
    return [completion for completion in highest.values() if not completion.revoked]


def naive_progress(
    arrivals: Iterable[Completion], thresholds: Thresholds = THRESHOLDS
) -> NaiveProgress:
    """The progress of one learner after these arrivals, in any order and with any repeats."""
    done = counting(arrivals)
    totals = {(c.topic, c.difficulty) for c in done}
    days = {(c.local_day, c.topic, c.difficulty) for c in done}
    named = [(c.completed_at, c.event_id, c.timezone) for c in done if c.timezone is not None]
    return NaiveProgress(
        overall=_sums(done),
        totals={key: _sums(c for c in done if (c.topic, c.difficulty) == key) for key in totals},
        days={
            key: _sums(c for c in done if (c.local_day, c.topic, c.difficulty) == key)
            for key in days
        },
        active_days=sorted({c.local_day for c in done}),
        longest_streak=longest_streak({c.local_day for c in done}),
        levels={topic: level(done, topic, thresholds) for topic in {c.topic for c in done}},
        zone=max(named, default=None),
    )


def longest_streak(days: Iterable[dt.date]) -> int:
    """The most active days in a row, counted day by day."""
    active = set(days)
    longest = 0
    for day in active:
        length = 0
        while day + dt.timedelta(days=length) in active:
            length += 1
        longest = max(longest, length)
    return longest


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


def runs(days: Iterable[dt.date]) -> list[tuple[int, int]]:
    """The first and the last ordinal of every run of consecutive days."""
    ordinals = sorted({day.toordinal() for day in days})
    grouped = groupby(enumerate(ordinals), key=lambda pair: pair[1] - pair[0])
    found = [[ordinal for _, ordinal in run] for _, run in grouped]
    return [(run[0], run[-1]) for run in found]


def level(done: Iterable[Completion], topic: str, thresholds: Thresholds = THRESHOLDS) -> str:
    """The highest level whose both conditions hold."""
    sums = _sums(c for c in done if c.topic == topic)
    reached = "beginner"
    for name, (exercises, mean) in zip(LEVELS[1:], thresholds, strict=True):
        if (
            sums.graded
            and sums.completions >= exercises
            and sums.grades >= mean * 100 * sums.graded
        ):
            reached = name
    return reached


def measured(
    rule: Mapping[str, Any], done: Sequence[Completion], thresholds: Thresholds = THRESHOLDS
) -> tuple[int, int]:
    """What a rule of the catalogue, as it stands in the YAML, measures and what it asks for."""
    ((kind, ask),) = rule.items()
    if kind == "all":
        parts = [measured(part, done, thresholds) for part in ask]
        return sum(value >= target for value, target in parts), len(parts)
    if kind == "any":
        return max(
            (measured(part, done, thresholds) for part in ask), key=lambda part: part[0] / part[1]
        )
    if kind == "streak":
        return longest_streak(c.local_day for c in done), ask["days"]
    if kind == "distinct_topics":
        return len({c.topic for c in done}), ask["at_least"]
    if kind == "skill_level":
        return _skill(ask, done, thresholds)
    matching = [c for c in done if _matches(c, ask)]
    if kind == "time_spent":
        return sum(c.time_spent_seconds for c in matching), ask["seconds"]
    assert kind == "exercises_completed", kind
    return len(matching), ask["at_least"]


def _skill(
    ask: Mapping[str, Any], done: Sequence[Completion], thresholds: Thresholds
) -> tuple[int, int]:
    rank = LEVELS.index(ask["level"])
    if "topic" in ask:
        return LEVELS.index(level(done, ask["topic"], thresholds)), rank
    topics = {c.topic for c in done}
    reached = [LEVELS.index(level(done, topic, thresholds)) >= rank for topic in topics]
    return sum(reached), ask.get("topics", 1)


def _matches(c: Completion, ask: Mapping[str, Any]) -> bool:
    grade = c.grade_hundredths
    return not (
        ("topic" in ask and c.topic != ask["topic"])
        or ("difficulty" in ask and c.difficulty != ask["difficulty"])
        or ("min_grade" in ask and (grade is None or grade < 100 * ask["min_grade"]))
        or ("max_hints" in ask and c.hints_used > ask["max_hints"])
    )


def _sums(completions: Iterable[Completion]) -> Sums:
    some = list(completions)
    grades = [c.grade_hundredths for c in some if c.grade_hundredths is not None]
    return Sums(
        len(some),
        len(grades),
        sum(grades),
        sum(c.time_spent_seconds for c in some),
        sum(c.hints_used for c in some),
        len([grade for grade in grades if grade >= 60_00]),
    )
