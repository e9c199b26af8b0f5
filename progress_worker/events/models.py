"""Pydantic models for the data of every event; `schemas/` is generated from them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

EXERCISE_COMPLETED: Final = "exercise.completed.v1"
ACHIEVEMENT_UNLOCKED: Final = "achievement.unlocked.v1"
SKILL_LEVEL_CHANGED: Final = "skill.level.changed.v1"
RECALCULATION_REQUESTED: Final = "progress.recalculation.requested.v1"

#: The namespace of every identifier that we derive; it may never change.
NAMESPACE: Final = UUID("6f5d1d0e-9d52-5b0c-8a4e-2f6a0c7d3b11")

NO_NUL: Final = r"^[^\x00]*$"

Difficulty = Literal["easy", "medium", "hard"]
Level = Literal["beginner", "intermediate", "advanced", "expert"]
Tier = Literal["bronze", "silver", "gold", "platinum"]

UserId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=NO_NUL,
        description="The learner; also the record key.",
        examples=["learner-17"],
    ),
]
Topic = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=NO_NUL,
        description="The skill's topic area.",
        examples=["algorithms"],
    ),
]


class IncomingEvent(BaseModel):
    """What others send us: types are strict, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class OutgoingEvent(BaseModel):
    """What we send: nothing but the declared fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExerciseCompleted(IncomingEvent):
    """A learner finished an exercise, or a finished exercise was graded again or taken back."""

    event_id: UUID | None = Field(
        default=None,
        description="The completion's identity; the same completion sent again carries the same "
        "id. May be left out when `ce_id` is a UUID and there is no `revision`.",
    )
    revision: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="A higher revision of the same `event_id` replaces what was said before.",
    )
    revoked: bool = Field(
        default=False,
        description="This revision takes the completion back, until a higher one says otherwise.",
    )
    user_id: UserId
    exercise_id: str = Field(min_length=1, max_length=256, pattern=NO_NUL)
    topic: Topic
    difficulty: Difficulty
    grade: float | None = Field(
        ge=0,
        le=100,
        description="Null: not graded. Kept to two decimals, rounded half to even.",
    )
    time_spent_seconds: int = Field(ge=0, le=86_400)
    hints_used: int = Field(ge=0, le=1_000)
    completed_at: AwareDatetime = Field(
        description="RFC 3339 with an offset; not before 2000-01-01, not in the future."
    )
    timezone: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="The learner's IANA zone at that moment; without it the local day is the date "
        "that `completed_at` itself shows, in its own offset.",
        examples=["Europe/Berlin"],
    )


class Criteria(OutgoingEvent):
    """What was measured when a rule was met, and what it asked for."""

    measure: str
    value: int
    target: int


class AchievementUnlocked(OutgoingEvent):
    """A learner met an achievement's rule, for the first and only time."""

    event_id: UUID
    user_id: UserId
    achievement_id: str
    name: str
    description: str
    category: str
    tier: Tier
    points: int
    icon: str
    unlocked_at: AwareDatetime = Field(description="When the completing exercise was completed.")
    triggering_event_id: UUID
    criteria: Criteria
    rule_version: int
    backdated: bool = Field(
        description="True for an unlock by a back-fill or a recalculation: nobody needs a bell."
    )


class SkillLevelChanged(OutgoingEvent):
    """A learner's level in a topic rose or fell."""

    event_id: UUID
    user_id: UserId
    topic: Topic
    previous_level: Level
    level: Level
    changed_at: AwareDatetime
    triggering_event_id: UUID
    exercises_completed: int
    average_grade: float | None


class RecalculationRequested(IncomingEvent):
    """Derive a learner's progress again from the stored completions."""

    user_id: UserId
    topic: Topic | None = Field(default=None, description="Only this topic's skill level.")


def unlock_event_id(user_id: str, achievement_id: str) -> UUID:
    """The unlock's identity: a pure function of learner and achievement."""
    return uuid5(NAMESPACE, f"{user_id}\0{achievement_id}")


def level_change_event_id(
    user_id: str, topic: str, triggering_event_id: UUID, revision: int, level: Level
) -> UUID:
    """The level change's identity: a pure function of what changed it."""
    return uuid5(NAMESPACE, f"{user_id}\0{topic}\0{triggering_event_id}\0{revision}\0{level}")


EARLIEST_COMPLETION: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
