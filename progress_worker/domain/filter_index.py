"""Finds the filters that a completion matches, without checking every condition of every filter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final, NamedTuple

from progress_worker.domain.clocks import clock_offset
from progress_worker.domain.completion import Completion
from progress_worker.domain.filters import Filter
from progress_worker.domain.vocabulary import DIFFICULTIES, Difficulty

_DAY_MINUTES: Final = 24 * 60
#: A learner's clock that is not known matches no time of day.
_UNKNOWN: Final = -1
#: Completions of one time are of few days. Days of all times are not kept.
_MOST_DAYS: Final = 1_024


class NumberedFilter(NamedTuple):
    """A filter with its bit and its key."""

    bit: int
    key: str
    filter: Filter


#: What is left to check once day and difficulty are right: topic, grade, hints, seconds, and the
#: time of day. It is a plain tuple because every event takes some apart.
_Rest = tuple[str | None, int, float, float, tuple[int, int] | None, NumberedFilter]


class FilterIndex:
    """Filters by the day and the difficulty of the completions that they can match."""

    def __init__(self, filters: Iterable[NumberedFilter]) -> None:
        self._filters = list(filters)
        self._by_day: dict[dt.date, dict[Difficulty, list[_Rest]]] = {}

    def matching(self, completion: Completion, grade: int) -> list[NumberedFilter]:
        """The filters that the completion matches; its grade is as `grade_of` says."""
        found: list[NumberedFilter] = []
        of_day = self._by_day.get(completion.local_day)
        if of_day is None:
            of_day = self._of(completion.local_day)
        minute: int | None = None
        for topic, least, most, seconds, between, numbered in of_day[completion.difficulty]:
            if (
                grade < least
                or completion.hints_used > most
                or completion.time_spent_seconds > seconds
                or (topic is not None and topic != completion.topic)
            ):
                continue
            if between is not None:
                if minute is None:
                    minute = _minute_of_day(completion)
                if not _is_between(minute, between[0], between[1]):
                    continue
            found.append(numbered)
        return found

    def _of(self, day: dt.date) -> dict[Difficulty, list[_Rest]]:
        if len(self._by_day) >= _MOST_DAYS:
            self._by_day.clear()
        taking = [each for each in self._filters if each.filter.takes(day)]
        of_day = self._by_day[day] = {
            difficulty: [
                _rest(each) for each in taking if each.filter.difficulty in {None, difficulty}
            ]
            for difficulty in DIFFICULTIES
        }
        return of_day


def _rest(numbered: NumberedFilter) -> _Rest:
    asked = numbered.filter
    return (
        asked.topic,
        asked.min_grade,
        asked.max_hints,
        asked.max_seconds,
        asked.between,
        numbered,
    )


def _minute_of_day(done: Completion) -> int:
    """What the learner's clock showed."""
    offset = clock_offset(done)
    if offset is None:
        return _UNKNOWN
    at = done.completed_at  # in UTC
    return (at.hour * 60 + at.minute + offset) % _DAY_MINUTES


def _is_between(minute: int, first: int, end: int) -> bool:
    """Midnight may lie between the first minute and the one after the last."""
    if minute == _UNKNOWN:
        return False
    return first <= minute < end if first < end else not end <= minute < first
