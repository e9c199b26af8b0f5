"""The filters of a rule book: conditions on single completions, and what is counted by them."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from progress_worker.domain.buckets import Bucketing
from progress_worker.domain.completion import Completion
from progress_worker.domain.completion_filters import (
    CompletionFilters,
    minutes_between,
    month_and_day,
)
from progress_worker.domain.rule_kinds import Counting, ExercisesCompleted
from progress_worker.domain.vocabulary import WEEKDAYS, Difficulty

_NOT_GRADED: Final = -1
_NO_LIMIT: Final = float("inf")
_EVERY_DAY: Final = (1 << len(WEEKDAYS)) - 1


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

    @property
    def is_plain(self) -> bool:
        """Whether it counts completions, of any length, at any time of some days."""
        return (
            not self.sums_time
            and self.bucketed_by is None
            and self.between is None
            and self.max_seconds == _NO_LIMIT
        )

    def takes(self, day: dt.date, difficulty: Difficulty) -> bool:
        """Whether completions of this local day and this difficulty can match."""
        return (
            self.difficulty in {None, difficulty}
            and self.first_day <= day <= self.last_day
            and bool(self.weekdays & 1 << day.weekday())
            and (self.on is None or self.on == (day.month, day.day))
        )


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


def grade_of(completion: Completion) -> int:
    """The grade as `min_grade` is compared with it, in hundredths of a percent."""
    grade = completion.grade_hundredths
    return _NOT_GRADED if grade is None else grade
