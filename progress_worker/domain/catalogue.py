"""The achievement catalogue: what can be earned, and the rule of each, validated on load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from yaml.error import MarkedYAMLError

from progress_worker.domain.vocabulary import Difficulty, Level, Tier, Topic


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


#: No learner gets further; a larger one is a slip.
Target = Annotated[int, Field(ge=1, le=1_000_000_000)]


class ExercisesCompleted(_Part):
    """So many completions match every filter that is given."""

    at_least: Target
    topic: Topic | None = None
    difficulty: Difficulty | None = None
    min_grade: float | None = Field(default=None, ge=0, le=100)
    max_hints: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _two_decimals(self) -> Self:
        if self.min_grade is not None and round(self.min_grade, 2) != self.min_grade:
            raise ValueError("grades have two decimals, so `min_grade` can have no more")
        return self


class StreakReached(_Part):
    """The longest run of active days has at least this length."""

    days: Target


class SkillLevelReached(_Part):
    """The level, or a higher one, is held in `topic`, or in `topics` topics (default: one)."""

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


class TimeSpent(_Part):
    """So many seconds were spent on exercises, in total or in a topic."""

    seconds: Target
    topic: Topic | None = None


class DistinctTopics(_Part):
    """So many topics have a completion."""

    at_least: Target


class Rule(_Part):
    """Exactly one of the rule kinds."""

    exercises_completed: ExercisesCompleted | None = None
    streak: StreakReached | None = None
    skill_level: SkillLevelReached | None = None
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
    content = _read(text)
    try:
        return Catalogue.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        place = _place(content, first["loc"])
        raise ValueError(f"the catalogue is wrong at {place}: {message}") from error


class _Loader(yaml.SafeLoader):
    """A key that stands twice is mostly a forgotten dash: YAML would drop the first of them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read(text: str) -> object:
    try:
        return yaml.load(text, _Loader)  # noqa: S506  it is a safe loader
    except MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"the catalogue is not YAML{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"the catalogue is not YAML: {' '.join(str(error).split())}") from error


def _place(content: object, location: Sequence[int | str]) -> str:
    """The path of the mistake, with the id of the achievement that holds it."""
    path = ".".join(str(part) for part in location) or "its top"
    match content, location:
        case {"achievements": [*written]}, ("achievements", int(position), *_):
            match written[position]:
                case {"id": str(name)}:
                    return f"{path} ({name})"
    return path
