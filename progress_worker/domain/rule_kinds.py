"""The kinds of rules, as a rule book's YAML holds them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from progress_worker.domain.buckets import Window
from progress_worker.domain.completion_filters import CompletionFilters
from progress_worker.domain.vocabulary import Level, Topic
from progress_worker.domain.written import Written

#: What a rule asks for where the rule book has the word `target`: each tier has its own target.
OF_TIER: Final = -1


def _number(written: Any, read: ValidatorFunctionWrapHandler) -> int:
    return OF_TIER if written == "target" else int(read(written))


#: No learner reaches more, so a larger target is a slip.
WholeTarget = Annotated[int, Field(ge=1, le=1_000_000_000)]
Target = Annotated[WholeTarget, WrapValidator(_number)]


class Counting(CompletionFilters):
    """Counts what matches every filter; in the best day, week or month with `within`."""

    within: Window | None = None


class ExercisesCompleted(Counting):
    """At least this many completions match every filter that is given.

    With `distinct`, an exercise counts once, however often it was completed.
    """

    at_least: Target
    distinct: bool = False

    @model_validator(mode="after")
    def _one_kind_of_bucket(self) -> Self:
        if self.distinct and self.within is not None:
            raise ValueError("`distinct` and `within` do not go together: leave one out")
        return self


class StreakReached(Written):
    """The longest daily streak has this many active days, or the longest weekly one these weeks."""

    days: Target | None = None
    weeks: Target | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.days is None) == (self.weeks is None):
            raise ValueError("give `days` or `weeks`, one of both")
        return self


class SkillLevelReached(Written):
    """The learner has this or a higher level in `topic`, or in `topics` topics (default: one)."""

    level: Level
    topic: Topic | None = None
    topics: Target | None = None

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if self.topic is not None and self.topics is not None:
            raise ValueError("give `topic` or `topics`, not both")
        if self.level == "beginner":
            raise ValueError("everybody is a beginner; ask for a higher level")
        return self


class TimeSpent(Counting):
    """At least this many seconds were spent on the completions that match every filter."""

    seconds: Target


class DistinctTopics(Written):
    """At least this many topics have a completion."""

    at_least: Target


class ActiveDays(Written):
    """At least this many days were active."""

    at_least: Target


class Rule(Written):
    """Exactly one of the rule kinds."""

    exercises_completed: ExercisesCompleted | None = None
    streak: StreakReached | None = None
    skill_level: SkillLevelReached | None = None
    time_spent: TimeSpent | None = None
    distinct_topics: DistinctTopics | None = None
    active_days: ActiveDays | None = None
    all: Annotated[tuple[Rule, ...], Field(min_length=1, strict=False)] | None = None
    any: Annotated[tuple[Rule, ...], Field(min_length=1, strict=False)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError("a rule has exactly one kind")
        return self


def with_target(rule: Rule, target: int) -> Rule:
    """The rule with a number wherever the rule book has the word `target`."""
    changed: Rule = _replaced(rule, target)
    return changed


def asks_for_tiers(rule: Rule) -> bool:
    """Whether the word `target` stands in it."""
    return with_target(rule, 1) != rule


def counting(rule: Rule) -> Counting | None:
    """What the rule counts; None for a rule of another kind."""
    return rule.exercises_completed or rule.time_spent


def of_every_week(rule: Rule) -> Rule:
    """The rule about the best week. It is a counting rule without a window."""
    changes = {
        name: part.model_copy(update={"within": "week"})
        for name, part in rule
        if isinstance(part, Counting)
    }
    return rule.model_copy(update=changes)


def reads_levels(rule: Rule) -> bool:
    """Whether it asks for a skill level, which may fall."""
    parts = rule.all or rule.any or ()
    return rule.skill_level is not None or any(map(reads_levels, parts))


def takes_filters(rule: Rule) -> bool:
    """Whether all that it counts can be limited to some days."""
    parts = rule.all or rule.any
    if parts:
        return all(map(takes_filters, parts))
    return counting(rule) is not None


def with_until(rule: Rule, last_day: dt.date) -> Rule:
    """The rule, of which later days do not count. It takes filters.

    Raises ValueError if no day is left.
    """
    changes: dict[str, Any] = {}
    for name, part in rule:
        if isinstance(part, CompletionFilters):
            if part.since is not None and part.since > last_day:
                raise ValueError(f"it is retired after {last_day}, and `from` lies after that day")
            until = last_day if part.until is None else min(part.until, last_day)
            changes[name] = part.model_copy(update={"until": until})
        elif part is not None:
            changes[name] = tuple(with_until(each, last_day) for each in part)
    return rule.model_copy(update=changes)


def _replaced(part: Any, target: int) -> Any:
    if isinstance(part, tuple):
        return tuple(_replaced(each, target) for each in part)
    if isinstance(part, Written):
        return part.model_copy(update={name: _replaced(each, target) for name, each in part})
    return target if part == OF_TIER else part
