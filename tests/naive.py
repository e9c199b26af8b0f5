"""Progress counted again from all completions: slow, and too simple to be wrong.

It shares only the classes of facts with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from progress_worker.domain.completion import Completion
from tests.naive_streaks import naive_daily, naive_weekly, naive_weeks
from tests.naive_travel import NaivePolicy, travel_days

LEVELS = ("beginner", "intermediate", "advanced", "expert")
#: Exercises and mean grade in percent, of each level above beginner.
THRESHOLDS = ((10, 60), (30, 70), (50, 80))

NO_FREEZES = NaivePolicy()

Thresholds = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


Named = tuple[dt.datetime, UUID, object]
Ordinals = frozenset[int]


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
    travel_days: set[dt.date]
    longest_streak: int
    longest_weeks: int
    levels: dict[str, str]
    zone: Named | None
    offset: Named | None
    day_start: Named | None


def counting(arrivals: Iterable[Completion]) -> list[Completion]:
    """Each completion's highest revision, the first to arrive of equal ones, unless revoked."""
    highest: dict[tuple[str, UUID], Completion] = {}
    for arrival in arrivals:
        key = (arrival.user_id, arrival.event_id)
        if key not in highest or arrival.revision > highest[key].revision:
            highest[key] = arrival
    return [completion for completion in highest.values() if not completion.revoked]


def naive_progress(
    arrivals: Iterable[Completion],
    thresholds: Thresholds = THRESHOLDS,
    policy: NaivePolicy = NO_FREEZES,
) -> NaiveProgress:
    """The progress of one learner after these arrivals, in any order and with any repeats."""
    done = counting(arrivals)
    totals = {(c.topic, c.difficulty) for c in done}
    days = {(c.local_day, c.topic, c.difficulty) for c in done}
    zone = latest(done, lambda c: c.timezone)
    return NaiveProgress(
        overall=_sums(done),
        totals={key: _sums(c for c in done if (c.topic, c.difficulty) == key) for key in totals},
        days={
            key: _sums(c for c in done if (c.local_day, c.topic, c.difficulty) == key)
            for key in days
        },
        active_days=sorted({c.local_day for c in done}),
        travel_days=travel_days(done),
        longest_streak=longest_days(done, policy),
        longest_weeks=longest_weeks(done, policy),
        levels={topic: level(done, topic, thresholds) for topic in {c.topic for c in done}},
        zone=zone,
        offset=None if zone else latest(done, lambda c: c.utc_offset_minutes),
        day_start=latest(done, lambda c: c.day_starts_at),
    )


def latest(done: Iterable[Completion], part: Callable[[Completion], object]) -> Named | None:
    """What the latest completion names that names it at all."""
    named = [(c.completed_at, c.event_id, part(c)) for c in done if part(c) is not None]
    return max(named, key=lambda each: each[:2], default=None)


def longest_days(done: Sequence[Completion], policy: NaivePolicy) -> int:
    """The longest daily streak with freezes, excused days and travel."""
    return most_days(*days_of(done, policy), policy.cap, policy.earn_every)


def longest_weeks(done: Sequence[Completion], policy: NaivePolicy) -> int:
    """The longest weekly streak with excused days and travel."""
    return most_weeks(*days_of(done, policy), policy.week_starts_on, policy.week_days)


# What is counted again after every event asks for the same days again and again.
@lru_cache(maxsize=4_096)
def most_days(active: Ordinals, excused: Ordinals, cap: int, earn_every: int) -> int:
    today = max(active, default=1)
    return naive_daily({*active}, {*excused}, cap, earn_every, today).longest


@lru_cache(maxsize=4_096)
def most_weeks(active: Ordinals, excused: Ordinals, starts_on: int, days: int) -> int:
    today = max(active, default=1)
    return naive_weekly(naive_weeks({*active}, {*excused}, starts_on, days, today))[1]


def days_of(done: Sequence[Completion], policy: NaivePolicy) -> tuple[Ordinals, Ordinals]:
    active = frozenset(c.local_day.toordinal() for c in done)
    excused = {day.toordinal() for day in policy.excused | travel_days(done)}
    return active, frozenset(excused - active)


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
