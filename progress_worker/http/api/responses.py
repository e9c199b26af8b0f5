"""The answers' models: a learner's progress, achievements and skill levels."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import pydantic_core
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from progress_worker.domain.vocabulary import Level, Tier

_LEARNER: Final = "learner-17"


class Answer(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True)


def to_json(value: object) -> str:
    """The value as JSON, just as `model_dump_json` writes it.

    Lists are written row by row. If a long answer were written at once, no other thread could run
    meanwhile.
    """
    if isinstance(value, list):
        return f"[{','.join(map(_row_to_json, value))}]"
    if isinstance(value, Answer):
        names = type(value).model_fields
        return "{" + ",".join(f'"{name}":{to_json(getattr(value, name))}' for name in names) + "}"
    return pydantic_core.to_json(value).decode()


def _row_to_json(row: object) -> str:
    return row.model_dump_json() if isinstance(row, Answer) else to_json(row)


LearnerId = Annotated[str, Field(description="The learner.", examples=[_LEARNER])]
Count = Annotated[int, Field(ge=0, description="Exercises completed.", examples=[42])]
MeanGrade = Annotated[
    float | None,
    Field(
        description="The mean grade in percent over graded exercises; null without any.",
        examples=[83.5],
    ),
]
SecondsSpent = Annotated[
    int, Field(ge=0, description="Time spent on exercises, in seconds.", examples=[18_600])
]
Hints = Annotated[int, Field(ge=0, description="Hints used.", examples=[7])]
ExerciseTopic = Annotated[str, Field(description="The topic.", examples=["algorithms"])]
BadgeStatus = Literal["earned", "in_progress", "locked"]
LevelHeld = Annotated[Level, Field(description="The skill level held now.")]


class Streak(Answer):
    """Runs of consecutive active days, in the learner's local days."""

    current: int = Field(
        ge=0,
        description="The length of the run that holds the last active day; 0 once that day lies "
        "before yesterday.",
        examples=[5],
    )
    longest: int = Field(ge=0, description="The length of the longest run ever.", examples=[12])
    last_active_day: dt.date | None = Field(description="The last active day; null without any.")
    active_today: bool = Field(
        description="Whether today is an active day, or a day after it, as after a move to a zone "
        "that is behind."
    )
    at_risk: bool = Field(
        description="Whether the current streak ends unless an exercise is completed today."
    )


class Unlocked(Answer):
    """An achievement that was unlocked."""

    id: str = Field(description="The achievement's id.", examples=["first_steps"])
    name: str = Field(description="Its name.", examples=["First steps"])
    tier: Tier = Field(description="Its tier.")
    points: int = Field(ge=0, description="The points it brings.", examples=[10])
    icon: str = Field(description="The name of its icon.", examples=["footprints"])
    unlocked_at: AwareDatetime = Field(
        description="When the exercise that completed it was completed."
    )


class AchievementCounts(Answer):
    """How many achievements are unlocked, of how many, and the points they brought."""

    unlocked: int = Field(ge=0, description="Achievements unlocked.", examples=[3])
    available: int = Field(ge=0, description="Achievements in the rule book.", examples=[25])
    points: int = Field(ge=0, description="Points of the unlocked ones.", examples=[60])


class AchievementSummary(AchievementCounts):
    """The counts, and what was unlocked last."""

    recent: list[Unlocked] = Field(
        max_length=5, description="The latest unlocks, at most five, latest first."
    )


class TopicLevel(Answer):
    """A topic's skill level in short."""

    topic: ExerciseTopic
    level: LevelHeld
    exercises_completed: Count
    average_grade: MeanGrade


class ProgressAnswer(Answer):
    """A learner's progress at a glance."""

    user_id: LearnerId
    timezone: str = Field(
        description="The zone in which days are read: the one that the learner's latest "
        "completion named, else UTC.",
        examples=["Europe/Berlin"],
    )
    as_of: AwareDatetime = Field(description="When this was read.")
    exercises_completed: Count
    time_spent_seconds: SecondsSpent
    average_grade: MeanGrade
    hints_used: Hints
    streak: Streak = Field(description="Streaks of active days.")
    achievements: AchievementSummary = Field(description="Achievements in short.")
    skill_levels: list[TopicLevel] = Field(description="A level per topic, by topic.")


class RuleProgress(Answer):
    """How far an achievement's rule is met."""

    current: int = Field(ge=0, description="What is measured now.", examples=[7])
    target: int = Field(ge=1, description="What the rule asks for.", examples=[10])
    percent: int = Field(
        ge=0, le=100, description="Rounded down; 100 once unlocked.", examples=[70]
    )


class AchievementStatus(Answer):
    """An achievement of the rule book, and the learner's progress towards it."""

    id: str = Field(description="The achievement's id.", examples=["first_steps"])
    name: str = Field(description="Its name.", examples=["First steps"])
    description: str = Field(description="What it is for.")
    category: str = Field(description="Its category.", examples=["milestones"])
    tier: Tier = Field(description="Its tier.")
    points: int = Field(ge=0, description="The points it brings.", examples=[10])
    icon: str = Field(description="The name of its icon.", examples=["footprints"])
    unlocked: bool = Field(description="Whether the learner has it; it is never taken away.")
    unlocked_at: AwareDatetime | None = Field(
        description="When the exercise that completed it was completed; null while locked."
    )
    progress: RuleProgress = Field(description="How far its rule is met.")


class AchievementsAnswer(Answer):
    """Every achievement of the rule book, in its order."""

    user_id: LearnerId
    totals: AchievementCounts = Field(description="The counts.")
    achievements: list[AchievementStatus] = Field(description="Every achievement.")


class Badge(Answer):
    """An achievement as a badge."""

    id: str = Field(description="The achievement's id.", examples=["first_steps"])
    name: str = Field(description="Its name.", examples=["First steps"])
    description: str = Field(description="What it is for.")
    category: str = Field(description="Its category.", examples=["milestones"])
    tier: Tier = Field(description="Its tier.")
    points: int = Field(ge=0, description="The points it brings.", examples=[10])
    icon: str = Field(description="The name of its icon.", examples=["footprints"])
    status: BadgeStatus = Field(description="Earned, begun, or not begun.")
    earned_at: AwareDatetime | None = Field(description="When it was earned; null until then.")
    percent: int = Field(ge=0, le=100, description="How far it is; 100 once earned.")


class BadgesAnswer(Answer):
    """Badges that were earned, and those that can still be earned."""

    user_id: LearnerId
    points_earned: int = Field(ge=0, description="Points of the earned badges.", examples=[60])
    points_available: int = Field(
        ge=0, description="Points that can still be earned.", examples=[940]
    )
    earned: list[Badge] = Field(description="Earned badges, latest first.")
    available: list[Badge] = Field(description="The others, nearest first.")


class NextLevel(Answer):
    """What is missing to the level above."""

    level: Level = Field(description="The level above the one held.")
    exercises_needed: int = Field(
        ge=0, description="How many more exercises it needs.", examples=[8]
    )
    grade_needed: float = Field(
        description="The mean grade in percent that it needs.", examples=[70]
    )


class SkillLevelAnswer(Answer):
    """A topic's skill level, and the way to the next one."""

    topic: ExerciseTopic
    level: LevelHeld
    previous_level: Level = Field(description="The level before the last change.")
    level_updated_at: AwareDatetime | None = Field(
        description="When the exercise that changed the level last was completed; null if none did."
    )
    exercises_completed: Count
    average_grade: MeanGrade
    time_spent_seconds: SecondsSpent
    next_level: NextLevel | None = Field(
        description="The level above and what it takes; null for an expert."
    )


class SkillLevelsAnswer(Answer):
    """The skill level in every topic that has a completed exercise, by topic."""

    user_id: LearnerId
    skill_levels: list[SkillLevelAnswer] = Field(description="One per topic.")
