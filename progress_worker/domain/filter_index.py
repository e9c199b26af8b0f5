"""Finds the filters that a completion matches, without checking every condition of every filter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final, NamedTuple

from progress_worker.domain.buckets import Bucketing
from progress_worker.domain.clocks import clock_offset
from progress_worker.domain.completion import Completion
from progress_worker.domain.filters import Filter, grade_of
from progress_worker.domain.vocabulary import Difficulty

_DAY_MINUTES: Final = 24 * 60
#: A learner's clock that is not known matches no time of day.
_UNKNOWN: Final = -1
_NOT_READ: Final = -2
#: No filter names two times that are equal.
_ANY_TIME: Final = (0, 0)
#: The completions of a batch are of few days. Those of all times are not kept.
_MOST_DAYS: Final = 4_096


class Counted(NamedTuple):
    """A filter whose count is more than a number of completions, or asks for more to be checked."""

    bit: int
    key: str
    sums_time: bool
    bucketed_by: Bucketing | None
    week_starts_on: int


# Plain tuples, because every event takes some apart. What is left to check is in the order in which
# it is checked.
#: Grade, hints, topic; bit and key.
_Plain = tuple[int, float, str | None, int, str]
#: Grade, hints, topic, seconds, first minute of the day and the one after the last; what it is.
_Other = tuple[int, float, str | None, float, int, int, Counted]
OfDay = tuple[list[_Plain], list[_Other]]


class FilterIndex:
    """Filters by the day and the difficulty of the completions that they can match."""

    def __init__(self, filters: Iterable[tuple[Filter, int]]) -> None:
        self._filters = list(filters)
        self._by_day: dict[tuple[dt.date, Difficulty], OfDay] = {}

    def of(self, day: dt.date, difficulty: Difficulty) -> OfDay:
        """Those to check: first those that count completions, of any length and time of day."""
        known = self._by_day.get((day, difficulty))
        if known is None:
            if len(self._by_day) >= _MOST_DAYS:
                self._by_day.clear()
            known = self._by_day[day, difficulty] = self._find(day, difficulty)
        return known

    def matches(self, completion: Completion) -> bool:
        """Whether the completion matches any of the filters."""
        grade = grade_of(completion)
        topic, hints = completion.topic, completion.hints_used
        plain, others = self.of(completion.local_day, completion.difficulty)
        for least, most, of_topic, _, _ in plain:
            if grade >= least and hints <= most and (of_topic is None or of_topic == topic):
                return True
        return bool(matching(others, completion, grade))

    def _find(self, day: dt.date, difficulty: Difficulty) -> OfDay:
        plain: list[_Plain] = []
        others: list[_Other] = []
        for found, bit in self._filters:
            if not found.takes(day, difficulty):
                continue
            if found.is_plain:
                plain.append((found.min_grade, found.max_hints, found.topic, bit, found.key))
            else:
                others.append(_other(found, bit))
        return plain, others


def _other(found: Filter, bit: int) -> _Other:
    first, end = found.between or _ANY_TIME
    return (
        found.min_grade,
        found.max_hints,
        found.topic,
        found.max_seconds,
        first,
        end,
        Counted(bit, found.key, found.sums_time, found.bucketed_by, found.week_starts_on),
    )


def matching(others: list[_Other], completion: Completion, grade: int) -> list[Counted]:
    """Those that the completion matches. They are of its day and difficulty."""
    found: list[Counted] = []
    minute = _NOT_READ
    for least, most, topic, seconds, first, end, counted in others:
        if grade < least or completion.hints_used > most:
            continue
        if topic is not None and topic != completion.topic:
            continue
        if first != end:
            if minute == _NOT_READ:
                minute = _minute_of_day(completion)
            if first < end:
                if not first <= minute < end:
                    continue
            elif end <= minute < first or minute == _UNKNOWN:
                continue
        if completion.time_spent_seconds <= seconds:
            found.append(counted)
    return found


def _minute_of_day(done: Completion) -> int:
    """What the learner's clock showed."""
    offset = done.utc_offset_minutes
    if offset is None:
        offset = clock_offset(done)
        if offset is None:
            return _UNKNOWN
    at = done.completed_at  # in UTC
    return (at.hour * 60 + at.minute + offset) % _DAY_MINUTES
