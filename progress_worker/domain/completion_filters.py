"""The filters on single completions, as a rule book's YAML holds them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from progress_worker.domain.vocabulary import WEEKDAYS, Difficulty, Topic, Weekday
from progress_worker.domain.written import Date, Written, two_decimals

_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_BETWEEN: Final = re.compile(f"({_TIME})-({_TIME})")
_MONTH_DAY: Final = re.compile("[0-9]{2}-[0-9]{2}")
_LEAP_YEAR: Final = 2000


def minutes_between(between: str) -> tuple[int, int]:
    """The first minute of the day and the one after the last, of a text like 05:00-09:00.

    Raises ValueError. The second is the smaller one where midnight lies between them.
    """
    if (found := _BETWEEN.fullmatch(between)) is None:
        raise ValueError("write two times of day like 05:00-09:00; midnight is 00:00")
    first, end = (int(time[:2]) * 60 + int(time[3:]) for time in found.groups())
    if first == end:
        raise ValueError("the two times are equal, so no time lies between them")
    return first, end


def month_and_day(on: str) -> tuple[int, int]:
    """The month and the day of a text like 12-24. Raises ValueError."""
    if _MONTH_DAY.fullmatch(on):
        month, day = int(on[:2]), int(on[3:])
        try:
            dt.date(_LEAP_YEAR, month, day)
        except ValueError:
            pass
        else:
            return month, day
    raise ValueError("write a month and a day that the calendar has, like 12-24")


def _checked_between(between: str) -> str:
    minutes_between(between)
    return between


def _checked_month_day(on: str) -> str:
    month_and_day(on)
    return on


def _in_order(weekdays: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    """The same days always read the same."""
    for day in weekdays:
        if weekdays.count(day) > 1:
            raise ValueError(f"{day!r} stands twice")
    return tuple(sorted(weekdays, key=WEEKDAYS.index))


class CompletionFilters(Written):
    """Conditions on one completion; it has to meet all that are given.

    `between` is a time of the clock that the learner had. `weekdays`, `from`, `until` and `on` are
    about the learner's local day.
    """

    topic: Topic | None = None
    difficulty: Difficulty | None = None
    min_grade: float | None = Field(default=None, ge=0, le=100)
    max_hints: int | None = Field(default=None, ge=0)
    max_seconds: int | None = Field(default=None, ge=0)
    between: (
        Annotated[str, AfterValidator(_checked_between), Field(examples=["05:00-09:00"])] | None
    ) = None
    weekdays: (
        Annotated[tuple[Weekday, ...], Field(min_length=1, strict=False), AfterValidator(_in_order)]
        | None
    ) = None
    since: Date | None = Field(default=None, alias="from")
    until: Date | None = None
    on: Annotated[str, AfterValidator(_checked_month_day), Field(examples=["12-24"])] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_grade is not None:
            two_decimals("min_grade", self.min_grade)
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("`from` lies after `until`")
        return self
