"""The models of achievements and their rules, as a rule book's YAML holds them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from progress_worker.domain.completion_filters import CompletionFilters
from progress_worker.domain.vocabulary import Level, Tier, Topic
from progress_worker.domain.written import Written

#: What a rule asks for where the rule book has the word `target`: each tier has its own target.
OF_TIER: Final = -1


def _number(written: Any, read: ValidatorFunctionWrapHandler) -> int:
    return OF_TIER if written == "target" else int(read(written))


#: No learner reaches more, so a larger target is a slip.
_Number = Annotated[int, Field(ge=1, le=1_000_000_000)]
Target = Annotated[_Number, WrapValidator(_number)]


class ExercisesCompleted(CompletionFilters):
    """At least this many completions match every filter that is given."""

    at_least: Target


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


class TimeSpent(CompletionFilters):
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


#: An id, a category or a family.
_ID: Final = r"^[a-z][a-z0-9_]*$"
Points = Annotated[int, Field(ge=0, le=100_000)]


class Described(Written):
    """What an achievement and a series of tiers share.

    `description` is for those who have it. `goal` is for the others, and says how to earn it.
    Achievements of one `family` belong together. What is `hidden` is not listed before it is
    unlocked; `progress` hides the progress only. It needs every achievement that it `requires`.
    """

    id: str = Field(pattern=_ID, max_length=64)
    name: str = Field(min_length=1, max_length=80)
    description: str = Field(min_length=1, max_length=300)
    goal: str | None = Field(default=None, min_length=1, max_length=300)
    category: str = Field(pattern=_ID, max_length=40)
    icon: str = Field(min_length=1, max_length=64)
    family: str | None = Field(default=None, pattern=_ID, max_length=64)
    hidden: Literal[False, True, "progress"] = False
    requires: Annotated[tuple[str, ...], Field(strict=False)] = ()
    rule: Rule


class Achievement(Described):
    """Something to earn, once."""

    tier: Tier
    points: Points

    @model_validator(mode="after")
    def _has_targets(self) -> Self:
        if asks_for_tiers(self.rule):
            raise ValueError("the word `target` stands in the rule, and there are no `tiers`")
        return self


class AchievementTier(Written):
    """One achievement of a series: its target, and what differs from the others."""

    id: str = Field(pattern=_ID, max_length=64)
    target: _Number
    tier: Tier
    points: Points
    name: str | None = Field(default=None, min_length=1, max_length=80)


class TieredAchievement(Described):
    """One achievement for each tier, all by one rule. Its id is the family where none is given."""

    tiers: Annotated[tuple[AchievementTier, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not asks_for_tiers(self.rule):
            raise ValueError("write the word `target` in the rule: each tier puts its own there")
        for lower, higher in pairwise(self.tiers):
            if lower.target >= higher.target:
                raise ValueError(
                    f"the targets of `tiers` must ascend, and {higher.id} does not ask for more "
                    f"than {lower.id}"
                )
        return self

    def each(self) -> Iterator[Achievement]:
        """The achievements, lowest target first."""
        shared = {name: getattr(self, name) for name in Described.model_fields}
        shared["family"] = self.family or self.id
        for tier in self.tiers:
            own = {"id": tier.id, "tier": tier.tier, "points": tier.points}
            own |= {"name": tier.name or self.name, "rule": with_target(self.rule, tier.target)}
            yield Achievement(**shared | own)


def with_target(rule: Rule, target: int) -> Rule:
    """The rule with a number wherever the rule book has the word `target`."""
    changed: Rule = _replaced(rule, target)
    return changed


def asks_for_tiers(rule: Rule) -> bool:
    """Whether the word `target` stands in it."""
    return with_target(rule, 1) != rule


def _replaced(part: Any, target: int) -> Any:
    if isinstance(part, tuple):
        return tuple(_replaced(each, target) for each in part)
    if isinstance(part, Written):
        return part.model_copy(update={name: _replaced(each, target) for name, each in part})
    return target if part == OF_TIER else part
