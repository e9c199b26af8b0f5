"""The achievement catalogue: what can be earned, and the rule of each, validated on load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from progress_worker.events.models import Difficulty, Level, Tier


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ExercisesCompleted(_Part):
    """So many completions match every filter that is given."""

    at_least: int = Field(ge=1)
    topic: str | None = None
    difficulty: Difficulty | None = None
    min_grade: float | None = Field(default=None, ge=0, le=100)
    max_hints: int | None = Field(default=None, ge=0)


class Streak(_Part):
    """The longest run of active days has at least this length."""

    days: int = Field(ge=1)


class SkillLevel(_Part):
    """The level, or a higher one, is held in `topic`, or in `topics` topics (default: one)."""

    level: Level
    topic: str | None = None
    topics: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if self.topic is not None and self.topics is not None:
            raise ValueError("give `topic` or `topics`, not both")
        if self.level == "beginner":
            raise ValueError("everybody is a beginner; ask for a higher level")
        return self


class TimeSpent(_Part):
    """So many seconds were spent on exercises, in total or in a topic."""

    seconds: int = Field(ge=1)
    topic: str | None = None


class DistinctTopics(_Part):
    """So many topics have a completion."""

    at_least: int = Field(ge=1)


class Rule(_Part):
    """Exactly one of the rule kinds."""

    exercises_completed: ExercisesCompleted | None = None
    streak: Streak | None = None
    skill_level: SkillLevel | None = None
    time_spent: TimeSpent | None = None
    distinct_topics: DistinctTopics | None = None
    all: Annotated[tuple[Rule, ...], Field(min_length=1, strict=False)] | None = None
    any: Annotated[tuple[Rule, ...], Field(min_length=1, strict=False)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError("a rule has exactly one kind")
        return self


class Achievement(_Part):
    """Something to earn, once."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)
    name: str = Field(min_length=1, max_length=80)
    description: str = Field(min_length=1, max_length=300)
    category: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)
    tier: Tier
    points: int = Field(ge=0, le=100_000)
    icon: str = Field(min_length=1, max_length=64)
    rule: Rule


class Catalogue(_Part):
    """All achievements, with the version that unlocks remember."""

    version: int = Field(ge=1)
    achievements: Annotated[tuple[Achievement, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _unique_ids(self) -> Self:
        ids = [achievement.id for achievement in self.achievements]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} stands twice")
        return self


def parse_catalogue(text: str) -> Catalogue:
    """Read a catalogue from YAML; raises ValueError with one sentence that says what is wrong."""
    try:
        return Catalogue.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ValueError(f"the catalogue is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(
            f"the catalogue is wrong at {_path(first['loc'])}: {first['msg']}"
        ) from error


def _path(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "its top"
