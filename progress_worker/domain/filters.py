"""Counts completions that match the filters of a rule book, or sums up the time spent on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final, NamedTuple

from progress_worker.domain.buckets import Bucketing, Buckets, add_to_bucket, best, bucket_of
from progress_worker.domain.clocks import clock_offset
from progress_worker.domain.completion import Completion
from progress_worker.domain.completion_filters import (
    CompletionFilters,
    minutes_between,
    month_and_day,
)
from progress_worker.domain.rule_kinds import Counting, ExercisesCompleted
from progress_worker.domain.state import LearnerState
from progress_worker.domain.vocabulary import DIFFICULTIES, WEEKDAYS, Difficulty

_NOT_GRADED: Final = -1
_NO_LIMIT: Final = float("inf")
_EVERY_DAY: Final = (1 << len(WEEKDAYS)) - 1
_DAY_MINUTES: Final = 24 * 60
_MINUTE: Final = dt.timedelta(minutes=1)
_MIDNIGHT: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Filter(NamedTuple):
    """A condition on single completions, counted per learner under `key`.

    With `bucketed_by`, each bucket has a count of its own, and the learner's is that of the best
    one. If each bucket is an exercise, the learner's is the number of buckets.
    """

    #: As the rule book names them; two filters with the same conditions match the same.
    conditions: str
    topic: str | None
    difficulty: Difficulty | None
    #: In hundredths of a percent; `_NOT_GRADED` lets ungraded ones count too.
    min_grade: int
    max_hints: float
    max_seconds: float
    #: The first minute of the day and the one after the last; midnight may lie between them.
    between: tuple[int, int] | None
    #: A bit for each weekday, Monday's first.
    weekdays: int
    first_day: dt.date
    last_day: dt.date
    #: Month and day.
    on: tuple[int, int] | None
    #: Whether the time spent is summed up, in seconds, and not the completions counted.
    sums_time: bool
    bucketed_by: Bucketing | None
    week_starts_on: int

    @property
    def key(self) -> str:
        """Under which a learner has the count or the sum."""
        return f"time_spent,{self.conditions}" if self.sums_time else self.conditions

    def matches(self, completion: Completion) -> bool:
        """Whether the completion meets the condition."""
        return _matches(self, completion, _grade(completion))

    @property
    def is_plain(self) -> bool:
        """Whether it counts by topic, difficulty, grade and hints alone, as most filters do."""
        return self._replace(
            conditions="", topic=None, difficulty=None, min_grade=_NOT_GRADED, max_hints=_NO_LIMIT
        ) == _filter("", CompletionFilters(), False)


def filter_of(part: Counting, week_starts_on: int, sums_time: bool = False) -> Filter | None:
    """The filter to count by; None if the learner's sums answer the rule already.

    Weeks begin on that weekday. With `sums_time`, the filter sums up the time spent.
    """
    # The topic is the only free text. It comes last, so that no two filters have the same key.
    names = {*CompletionFilters.model_fields} - {"topic"}
    given = part.model_dump(include=names, exclude_none=True, by_alias=True)
    bucketed_by = _bucketing(part)
    if bucketed_by is None and not given:
        return None
    if part.weekdays is not None:
        given["weekdays"] = "+".join(part.weekdays)
    if bucketed_by is not None:
        given = _named(bucketed_by, week_starts_on) | given
    if part.topic is not None:
        given["topic"] = part.topic
    conditions = ",".join(f"{name}={value}" for name, value in given.items())
    return _filter(conditions, part, sums_time, bucketed_by, week_starts_on)


def any_filter_of(part: Counting, week_starts_on: int, sums_time: bool = False) -> Filter:
    """The filter that says what the rule counts, also where the learner's sums answer the rule."""
    return filter_of(part, week_starts_on, sums_time) or _filter("", part, sums_time)


def _bucketing(part: Counting) -> Bucketing | None:
    if isinstance(part, ExercisesCompleted) and part.distinct:
        return "exercise"
    return part.within


def _named(bucketed_by: Bucketing, week_starts_on: int) -> dict[str, str]:
    """Weeks that begin on another day are other buckets."""
    if bucketed_by == "exercise":
        return {"distinct": "exercises"}
    if bucketed_by == "week" and week_starts_on:
        return {"within": f"week+{WEEKDAYS[week_starts_on]}"}
    return {"within": bucketed_by}


def _filter(
    conditions: str,
    part: CompletionFilters,
    sums_time: bool,
    bucketed_by: Bucketing | None = None,
    week_starts_on: int = 0,
) -> Filter:
    days = None if part.weekdays is None else [1 << WEEKDAYS.index(day) for day in part.weekdays]
    return Filter(
        conditions=conditions,
        topic=part.topic,
        difficulty=part.difficulty,
        min_grade=_NOT_GRADED if part.min_grade is None else round(part.min_grade * 100),
        max_hints=_NO_LIMIT if part.max_hints is None else part.max_hints,
        max_seconds=_NO_LIMIT if part.max_seconds is None else part.max_seconds,
        between=None if part.between is None else minutes_between(part.between),
        weekdays=_EVERY_DAY if days is None else sum(days),
        first_day=part.since or dt.date.min,
        last_day=part.until or dt.date.max,
        on=None if part.on is None else month_and_day(part.on),
        sums_time=sums_time,
        bucketed_by=bucketed_by,
        week_starts_on=week_starts_on if bucketed_by == "week" else 0,
    )


class Counters:
    """What each filter counts or sums up; every filter has a bit of its own."""

    def __init__(self, filters: Iterable[Filter], first_bit: int) -> None:
        self._bits = {found: first_bit << n for n, found in enumerate(dict.fromkeys(filters))}
        self._zero = {found.key: 0 for found in self._bits}
        self._plain = {
            difficulty: [
                (bit, found.key, found.topic, found.min_grade, found.max_hints)
                for found, bit in self._bits.items()
                if found.is_plain and found.difficulty in {None, difficulty}
            ]
            for difficulty in DIFFICULTIES
        }
        self._others = [
            (bit, found.key, found) for found, bit in self._bits.items() if not found.is_plain
        ]
        self._bucketed = [
            (key, found, found.bucketed_by)
            for _, key, found in self._others
            if found.bucketed_by is not None
        ]

    def bits_of(self, filters: Iterable[Filter]) -> int:
        """The bits of these filters, together."""
        return sum(self._bits[found] for found in set(filters))

    def zero(self) -> dict[str, int]:
        """The counts before the first completion."""
        return dict(self._zero)

    def known(self, counts: dict[str, int]) -> dict[str, int]:
        """The counts of these filters only; others would not be counted further."""
        return {key: counts[key] for key in self._zero if key in counts}

    def buckets_of(self, completion: Completion) -> list[tuple[str, str]]:
        """The buckets that a completion is counted in, each by its filter's key and its name."""
        grade = _grade(completion)
        return [
            (key, bucket_of(by, found.week_starts_on, completion))
            for key, found, by in self._bucketed
            if _matches(found, completion, grade)
        ]

    @property
    def has_buckets(self) -> bool:
        """Whether any filter counts in buckets."""
        return bool(self._bucketed)

    @property
    def windows(self) -> list[str]:
        """The keys of the filters whose buckets are days, weeks or months."""
        return [key for key, _, by in self._bucketed if by != "exercise"]

    def known_buckets(self, buckets: Buckets) -> Buckets:
        """Those of the buckets that these filters count in."""
        return {key: dict(buckets[key]) for key, _, _ in self._bucketed if key in buckets}

    def count(self, state: LearnerState, completion: Completion, sign: int) -> int:
        """Count the completion under every filter that it matches; returns the filters' bits.

        A filter that has no count is left out: it was not counted from the beginning. The state has
        every bucket of the completion that is stored, and all buckets where a count may fall.
        """
        counts = state.counters
        grade = _grade(completion)
        topic, hints = completion.topic, completion.hints_used
        matched = 0
        for bit, key, of_topic, least, most in self._plain[completion.difficulty]:
            if grade >= least and hints <= most and (of_topic is None or of_topic == topic):
                before = counts.get(key)
                if before is not None:
                    counts[key] = before + sign
                    matched |= bit
        if self._others:
            matched |= self._count_others(state, completion, sign, grade)
        return matched

    def _count_others(
        self, state: LearnerState, completion: Completion, sign: int, grade: int
    ) -> int:
        counts = state.counters
        matched = 0
        for bit, key, found in self._others:
            before = counts.get(key)
            if before is not None and _matches(found, completion, grade):
                amount = sign * (completion.time_spent_seconds if found.sums_time else 1)
                if found.bucketed_by is None:
                    counts[key] = before + amount
                elif amount:
                    name = bucket_of(found.bucketed_by, found.week_starts_on, completion)
                    counts[key] = _count_in_bucket(state, found, name, amount)
                matched |= bit
        return matched


def _count_in_bucket(state: LearnerState, found: Filter, name: str, amount: int) -> int:
    """Add to a bucket; returns the learner's count."""
    key = found.key
    buckets = state.buckets.setdefault(key, {})
    state.dirty.buckets.setdefault((key, name), name not in buckets)
    before, after = add_to_bucket(buckets, name, amount)
    count = state.counters[key]
    if found.bucketed_by == "exercise":
        return count + (after > 0) - (before > 0)
    if amount > 0:
        return max(count, after)
    return best(buckets.values()) if before == count else count


def _grade(completion: Completion) -> int:
    grade = completion.grade_hundredths
    return _NOT_GRADED if grade is None else grade


def _matches(asked: Filter, done: Completion, grade: int) -> bool:
    day = done.local_day
    return (
        (asked.topic is None or asked.topic == done.topic)
        and (asked.difficulty is None or asked.difficulty == done.difficulty)
        and grade >= asked.min_grade
        and done.hints_used <= asked.max_hints
        and done.time_spent_seconds <= asked.max_seconds
        and asked.first_day <= day <= asked.last_day
        and bool(asked.weekdays & 1 << day.weekday())
        and (asked.on is None or asked.on == (day.month, day.day))
        and (asked.between is None or _is_between(asked.between, done))
    )


def _is_between(asked: tuple[int, int], done: Completion) -> bool:
    """Whether the learner's clock showed a time between these; no where it is not known."""
    offset = clock_offset(done)
    if offset is None:
        return False
    first, end = asked
    minute = ((done.completed_at - _MIDNIGHT) // _MINUTE + offset) % _DAY_MINUTES
    return first <= minute < end if first < end else not end <= minute < first
