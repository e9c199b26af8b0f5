"""Pydantic models for the data of every event; `schemas/` is generated from them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from progress_worker.domain.revocation import LossReason
from progress_worker.domain.vocabulary import NO_NUL, Difficulty, Level, Tier, Topic
from progress_worker.events.fields import MOST_REVISIONS, Instant, UserId, Whole

EXERCISE_COMPLETED: Final = "exercise.completed.v1"
ACHIEVEMENT_UNLOCKED: Final = "achievement.unlocked.v1"
SKILL_LEVEL_CHANGED: Final = "skill.level.changed.v1"
STREAK_AT_RISK: Final = "streak.at_risk.v1"
ACHIEVEMENT_REVOKED: Final = "achievement.revoked.v1"
ACHIEVEMENTS_BACKFILLED: Final = "achievements.backfilled.v1"
LEARNER_ERASED: Final = "learner.erased.v1"

#: The earliest time of an event that is accepted.
EARLIEST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class IncomingEvent(BaseModel):
    """An event that others send us. Types are strict, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    if TYPE_CHECKING:
        #: Every event belongs to a learner. Each model declares this at its place in the schema.
        user_id: str


class OutgoingEvent(BaseModel):
    """An event that we send. It has the declared fields only."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExerciseCompleted(IncomingEvent):
    """A learner finished an exercise, or a finished exercise was graded again or taken back."""

    event_id: UUID | None = Field(
        default=None,
        description="The completion's identity; the same completion sent again carries the same "
        "id. May be left out when `ce_id` is a UUID and there is no `revision`.",
        examples=["0f8fad5b-d9cb-469f-a165-70867728950e"],
    )
    revision: Annotated[int, Whole(0, MOST_REVISIONS)] = Field(
        default=0,
        description="A higher revision of the same `event_id` replaces what was said before; the "
        "same or a lower one changes nothing. Each revision has its own `ce_id`.",
    )
    revoked: bool = Field(
        default=False,
        description="This revision takes the completion back, until a higher one says otherwise.",
    )
    user_id: UserId
    exercise_id: str = Field(
        min_length=1,
        max_length=256,
        pattern=NO_NUL,
        description="The exercise that was finished.",
        examples=["two-sum"],
    )
    topic: Topic
    difficulty: Difficulty = Field(description="How hard the exercise is.")
    grade: float | None = Field(
        ge=0,
        le=100,
        description="In percent. Null: not graded; it counts as an exercise, not towards a mean. "
        "Kept to two decimals, rounded half to even.",
        examples=[87.5],
    )
    time_spent_seconds: Annotated[int, Whole(0, 86_400)] = Field(
        description="From opening the exercise to finishing it.", examples=[540]
    )
    hints_used: Annotated[int, Whole(0, 1_000)] = Field(
        description="How many hints the learner opened.", examples=[1]
    )
    completed_at: Instant = Field(
        description="RFC 3339 with an offset; not before 2000-01-01, and not more than 5 minutes "
        "(a setting) in the future.",
        examples=["2026-03-29T09:30:00+02:00"],
    )
    timezone: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="The learner's IANA zone at that moment; without it the local day follows from "
        "what `completed_at` itself shows, in its own offset.",
        examples=["Europe/Berlin"],
    )
    day_starts_at: Annotated[int, Whole(0, 23)] | None = Field(
        default=None,
        description="The hour of the learner's clock at which their day starts: what is done "
        "before it counts for the day before. Without it the rule book decides.",
        examples=[4],
    )
    cohort: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern=NO_NUL,
        description="A class, course or group that the learner did the exercise in.",
        examples=["spring-2026"],
    )


class Measured(OutgoingEvent):
    """What a rule or a part of it measured, and what it asked for."""

    measure: str = Field(description="What the rule measures.", examples=["exercises_completed"])
    value: int = Field(description="What was measured.", examples=[10])
    target: int = Field(description="What the rule asked for.", examples=[10])
    parts: list[Measured] = Field(
        default=[],
        description="The same of each part, where the rule is made of others.",
    )


class Criteria(Measured):
    """What was measured when a rule was met, and what it asked for."""


class AchievementTexts(OutgoingEvent):
    """An achievement's texts in another language. What is not translated is the default text."""

    name: str = Field(description="Its name.", examples=["Erste Schritte"])
    description: str = Field(description="What it takes.")


class AchievementUnlocked(OutgoingEvent):
    """A learner met an achievement's rule, for the first time in this occurrence."""

    event_id: UUID = Field(
        description="Also `ce_id`: derived from learner and achievement, and from occurrence and "
        "generation where they are not 1, so that a repeat can be dropped."
    )
    user_id: UserId
    achievement_id: str = Field(description="Its id in the rule book.", examples=["first-steps"])
    name: str = Field(description="Its name, as learners see it.", examples=["First steps"])
    description: str = Field(description="What it takes, as learners see it.")
    category: str = Field(description="Its group in the rule book.", examples=["practice"])
    tier: Tier = Field(description="Its rank, from bronze to platinum.")
    points: int = Field(description="What it is worth.", examples=[10])
    icon: str = Field(description="What to show with it.", examples=["footprints"])
    translations: dict[str, AchievementTexts] = Field(
        default_factory=dict,
        # Left out where there are none, so that nothing changes for those who do not ask for them.
        exclude_if=lambda translations: not translations,
        description="Name and description by language tag (BCP 47), if the worker is set to send "
        "them and the rule book has any.",
    )
    unlocked_at: AwareDatetime = Field(
        description="`completed_at` of the event that completed the rule."
    )
    triggering_event_id: UUID = Field(description="The `event_id` of that event.")
    criteria: Criteria = Field(description="What was measured and what the rule asked for.")
    rule_version: int = Field(description="The version of the rule book that held the rule.")
    backdated: bool = Field(
        description="True for an unlock by a back-fill or a recalculation: nobody needs a bell."
    )
    occurrence: int = Field(
        default=1,
        description="Which unlock of the achievement it is: 1, or more where it repeats with each "
        "multiple of the target. Where it repeats with each week, the week: 202648 is 2026-W48.",
    )
    generation: int = Field(
        default=1, description="More than 1 where this unlock was lost before and earned again."
    )
    family: str | None = Field(
        default=None, description="Achievements of one family belong together."
    )
    rules_digest: str | None = Field(
        default=None, description="SHA-256 of the rule book that held the rule, in hexadecimal."
    )
    quiet: bool = Field(
        default=False,
        description="True if the learner does not want to be disturbed by it: by the preferences "
        "as they were when it was recorded.",
    )


class AchievementRevoked(OutgoingEvent):
    """A learner lost an unlock whose rule no longer holds."""

    event_id: UUID = Field(
        description="Also `ce_id`: derived from learner, achievement, occurrence and generation."
    )
    user_id: UserId
    achievement_id: str = Field(description="Its id in the rule book.", examples=["first-steps"])
    occurrence: int = Field(description="As in the unlock's event.")
    generation: int = Field(description="As in the unlock's event.")
    unlock_event_id: UUID = Field(description="The `event_id` of the unlock that is lost.")
    reason: LossReason = Field(
        description="`revised` or `revoked`: a completion or an excuse was corrected or taken "
        "back. `rules`: the rule book has changed."
    )
    revoked_at: AwareDatetime = Field(description="When the worker noticed.")
    rule_version: int = Field(description="The version of the rule book that was applied.")


class BackfilledUnlock(OutgoingEvent):
    """One unlock of a digest, with what its own event would say."""

    event_id: UUID = Field(description="The `event_id` of the unlock's own event.")
    achievement_id: str = Field(description="Its id in the rule book.", examples=["first-steps"])
    name: str = Field(description="Its name, as learners see it.", examples=["First steps"])
    category: str = Field(description="Its group in the rule book.", examples=["practice"])
    tier: Tier = Field(description="Its rank, from bronze to platinum.")
    points: int = Field(description="What it is worth.", examples=[10])
    icon: str = Field(description="What to show with it.", examples=["footprints"])
    unlocked_at: AwareDatetime = Field(
        description="`completed_at` of the event that completed the rule."
    )
    occurrence: int = Field(description="As in the unlock's event.")
    generation: int = Field(description="As in the unlock's event.")


class AchievementsBackfilled(OutgoingEvent):
    """What a learner has earned by a new rule book, in one event for all unlocks."""

    event_id: UUID = Field(
        description="Also `ce_id`: derived from learner and the rule book's digest."
    )
    user_id: UserId
    rule_version: int = Field(description="The version of the rule book.")
    rules_digest: str = Field(description="SHA-256 of the rule book, in hexadecimal.")
    quiet: bool = Field(description="As in the event of an unlock.")
    achievements: list[BackfilledUnlock] = Field(description="In the order of the rule book.")


class SkillLevelChanged(OutgoingEvent):
    """A learner's level in a topic rose or fell."""

    event_id: UUID = Field(description="Also `ce_id`: derived from what changed the level.")
    user_id: UserId
    topic: Topic
    previous_level: Level = Field(description="The level before the change.")
    level: Level = Field(description="The level after the change.")
    changed_at: AwareDatetime = Field(
        description="`completed_at` of the event that changed the level."
    )
    triggering_event_id: UUID = Field(description="The `event_id` of that event.")
    exercises_completed: int = Field(description="In this topic, that event included.")
    average_grade: float | None = Field(
        description="Over the topic's graded exercises, in percent; null without any."
    )


class LearnerErased(OutgoingEvent):
    """Everything about a learner was deleted. Delete what you have of the record key's learner."""

    erasure_id: UUID = Field(description="Also `ce_id`: that of the request.")
    erased_at: AwareDatetime = Field(description="When it was deleted.")


class StreakAtRisk(OutgoingEvent):
    """A learner's daily streak is lost unless the learner does something today."""

    event_id: UUID = Field(
        description="Also `ce_id`: derived from learner and local day, so that a repeat can be "
        "dropped."
    )
    user_id: UserId
    local_day: dt.date = Field(
        description="The learner's day when the warning was published.", examples=["2026-03-29"]
    )
    length: int = Field(description="Active days of the streak.", examples=[12])
    freezes_left: int = Field(
        description="Whole freezes that are left. Missed days before today are paid already.",
        examples=[0],
    )
    timezone: str = Field(
        description="The clock of the learner's days: an IANA name, or an offset like +02:00.",
        examples=["Europe/Berlin"],
    )
    expires_at: AwareDatetime = Field(
        description="When the streak is lost: the end of the last local day that can save it."
    )
