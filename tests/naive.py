"""Progress counted again from all completions: slow, and too simple to be wrong.

It shares only the classes of facts with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

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
    return _longest_days(*_days(done, policy), policy.cap, policy.earn_every)


def longest_weeks(done: Sequence[Completion], policy: NaivePolicy) -> int:
    """The longest weekly streak with excused days and travel."""
    return _longest_weeks(*_days(done, policy), policy.week_starts_on, policy.week_days)


# What is counted again after every event asks for the same days again and again.
@lru_cache(maxsize=4_096)
def _longest_days(active: Ordinals, excused: Ordinals, cap: int, earn_every: int) -> int:
    today = max(active, default=1)
    return naive_daily({*active}, {*excused}, cap, earn_every, today).longest


@lru_cache(maxsize=4_096)
def _longest_weeks(active: Ordinals, excused: Ordinals, starts_on: int, days: int) -> int:
    today = max(active, default=1)
    return naive_weekly(naive_weeks({*active}, {*excused}, starts_on, days, today))[1]


def _days(done: Sequence[Completion], policy: NaivePolicy) -> tuple[Ordinals, Ordinals]:
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


class Measures:
    """What rules of a catalogue measure of the same completions; parts are counted once."""

    def __init__(
        self,
        done: Sequence[Completion],
        thresholds: Thresholds = THRESHOLDS,
        policy: NaivePolicy = NO_FREEZES,
    ) -> None:
        self._done = done
        self._thresholds = thresholds
        self._policy = policy
        self._levels: dict[str, str] = {}

    @cached_property
    def _longest_days(self) -> int:
        return _longest_days(*self._days, self._policy.cap, self._policy.earn_every)

    @cached_property
    def _longest_weeks(self) -> int:
        return _longest_weeks(*self._days, self._policy.week_starts_on, self._policy.week_days)

    @cached_property
    def _days(self) -> tuple[Ordinals, Ordinals]:
        return _days(self._done, self._policy)

    def level(self, topic: str) -> str:
        """The highest level of a topic whose both conditions hold."""
        if topic not in self._levels:
            self._levels[topic] = level(self._done, topic, self._thresholds)
        return self._levels[topic]

    def of(self, rule: Mapping[str, Any]) -> tuple[int, int]:
        """What a rule, as it stands in the YAML, measures and what it asks for."""
        ((kind, ask),) = rule.items()
        if kind == "all":
            parts = [self.of(part) for part in ask]
            return sum(value >= target for value, target in parts), len(parts)
        if kind == "any":
            return max((self.of(part) for part in ask), key=lambda part: part[0] / part[1])
        if kind == "streak":
            if "weeks" in ask:
                return self._longest_weeks, ask["weeks"]
            return self._longest_days, ask["days"]
        if kind in ("distinct_topics", "active_days"):
            kept = {c.topic if kind == "distinct_topics" else c.local_day for c in self._done}
            return len(kept), ask["at_least"]
        if kind == "skill_level":
            return self._skill(ask)
        return _counted(kind, ask, [c for c in self._done if _matches(c, ask)], self._policy)

    def _skill(self, ask: Mapping[str, Any]) -> tuple[int, int]:
        rank = LEVELS.index(ask["level"])
        if "topic" in ask:
            return LEVELS.index(self.level(ask["topic"])), rank
        topics = {c.topic for c in self._done}
        reached = [LEVELS.index(self.level(topic)) >= rank for topic in topics]
        return sum(reached), ask.get("topics", 1)


def measured(
    rule: Mapping[str, Any],
    done: Sequence[Completion],
    thresholds: Thresholds = THRESHOLDS,
    policy: NaivePolicy = NO_FREEZES,
) -> tuple[int, int]:
    """What one rule measures and what it asks for."""
    return Measures(done, thresholds, policy).of(rule)


def _counted(
    kind: str, ask: Mapping[str, Any], matching: Sequence[Completion], policy: NaivePolicy
) -> tuple[int, int]:
    if "within" in ask:
        whole = {name: value for name, value in ask.items() if name != "within"}
        windows = {_window(c, ask["within"], policy) for c in matching}
        within = ([c for c in matching if _window(c, ask["within"], policy) == w] for w in windows)
        best = max((measured({kind: whole}, each)[0] for each in within), default=0)
        return best, ask.get("at_least") or ask["seconds"]
    if kind == "time_spent":
        return sum(c.time_spent_seconds for c in matching), ask["seconds"]
    assert kind == "exercises_completed", kind
    if ask.get("distinct"):
        return len({c.exercise_id for c in matching}), ask["at_least"]
    return len(matching), ask["at_least"]


def naive_occurrences(
    rule: Mapping[str, Any],
    repeat: str | None,
    done: Sequence[Completion],
    policy: NaivePolicy = NO_FREEZES,
) -> dict[int, tuple[int, int]]:
    """The occurrences of an achievement that hold: what each measured, and what it asked for."""
    if repeat == "each_week":
        weeks = {iso_week(c, policy) for c in done}
        found = {w: measured(rule, [c for c in done if iso_week(c, policy) == w]) for w in weeks}
        return {week: found[week] for week in sorted(weeks) if found[week][0] >= found[week][1]}
    value, target = measured(rule, done, THRESHOLDS, policy)
    most = 100 if repeat == "each_multiple" else 1
    return {n: (value, n * target) for n in range(1, most + 1) if value >= n * target}


def iso_week(c: Completion, policy: NaivePolicy) -> int:
    """The ISO year and week of the fourth day of the completion's week, as in 202648."""
    return int(f"{_window(c, 'week', policy) + dt.timedelta(days=3):%G%V}")


def _window(c: Completion, within: str, policy: NaivePolicy) -> dt.date:
    """The first day of the completion's day, week or month."""
    day = c.local_day
    if within == "month":
        return day.replace(day=1)
    while within == "week" and day.weekday() != policy.week_starts_on:
        day -= dt.timedelta(days=1)
    return day


def naive_unlocks(
    rules: Sequence[Mapping[str, Any]],
    requires: Mapping[int, Sequence[int]],
    done: Sequence[Completion],
    kept: Set[int],
    thresholds: Thresholds = THRESHOLDS,
    policy: NaivePolicy = NO_FREEZES,
) -> set[int]:
    """The positions of the rules that are unlocked with these completions, those kept included."""
    measures = Measures(done, thresholds, policy)
    progress = [measures.of(rule) for rule in rules]
    holding = {position for position, (value, target) in enumerate(progress) if value >= target}
    unlocked = set(kept)
    for _ in rules:
        unlocked |= {each for each in holding if {*requires.get(each, ())} <= unlocked}
    return unlocked


def _matches(c: Completion, ask: Mapping[str, Any]) -> bool:
    grade = c.grade_hundredths
    return not (
        ("topic" in ask and c.topic != ask["topic"])
        or ("difficulty" in ask and c.difficulty != ask["difficulty"])
        or ("min_grade" in ask and (grade is None or grade < 100 * ask["min_grade"]))
        or ("max_hints" in ask and c.hints_used > ask["max_hints"])
        or ("max_seconds" in ask and c.time_spent_seconds > ask["max_seconds"])
        or ("weekdays" in ask and f"{c.local_day:%a}".lower() not in ask["weekdays"])
        or ("from" in ask and c.local_day < ask["from"])
        or ("until" in ask and c.local_day > ask["until"])
        or ("on" in ask and f"{c.local_day:%m-%d}" != ask["on"])
        or ("between" in ask and not _within(_shown(c), *ask["between"].split("-")))
    )


def _shown(c: Completion) -> str | None:
    """What the learner's clock showed, as in 23:59; None where nobody knows."""
    if c.utc_offset_minutes is not None:
        return f"{c.completed_at + dt.timedelta(minutes=c.utc_offset_minutes):%H:%M}"
    return (
        None if c.timezone is None else f"{c.completed_at.astimezone(ZoneInfo(c.timezone)):%H:%M}"
    )


def _within(shown: str | None, first: str, end: str) -> bool:
    if shown is None:
        return False
    return first <= shown < end if first < end else shown >= first or shown < end


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
