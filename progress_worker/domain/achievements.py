"""The models of achievements and their rules, as a rule book's YAML holds them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from progress_worker.domain.completion_filters import CompletionFilters
from progress_worker.domain.vocabulary import Level, Tier, Topic
from progress_worker.domain.written import Written

#: No learner reaches more, so a larger target is a slip.
Target = Annotated[int, Field(ge=1, le=1_000_000_000)]


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


class Achievement(Written):
    """Something to earn, once.

    `description` is for those who have it. `goal` is for the others, and says how to earn it.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)
    name: str = Field(min_length=1, max_length=80)
    description: str = Field(min_length=1, max_length=300)
    goal: str | None = Field(default=None, min_length=1, max_length=300)
    category: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)
    tier: Tier
    points: int = Field(ge=0, le=100_000)
    icon: str = Field(min_length=1, max_length=64)
    rule: Rule
