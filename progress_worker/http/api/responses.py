"""The answers' models: a learner's progress, achievements and skill levels."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from progress_worker.domain.vocabulary import Level, Tier
from progress_worker.http.api.fields import (
    Answer,
    ChosenGame,
    ClockName,
    Count,
    ExerciseTopic,
    Hints,
    LearnerId,
    MeanGrade,
    Moment,
    ReadAt,
    SecondsSpent,
)
from progress_worker.http.api.responses_of_streaks import Streak

BadgeStatus = Literal["earned", "in_progress", "locked"]
LevelHeld = Annotated[Level, Meta(description="The skill level held now.")]


class Unlocked(Answer, frozen=True, kw_only=True):
    """An achievement that was unlocked."""

    id: Annotated[str, Meta(description="The achievement's id.", examples=["first_steps"])]
    name: Annotated[str, Meta(description="Its name.", examples=["First steps"])]
    tier: Annotated[Tier, Meta(description="Its tier.")]
    points: Annotated[int, Meta(ge=0, description="The points it brings.", examples=[10])]
    icon: Annotated[str, Meta(description="The name of its icon.", examples=["footprints"])]
    unlocked_at: Annotated[
        Moment, Meta(description="When the exercise that completed it was completed.")
    ]


class AchievementCounts(Answer, frozen=True, kw_only=True):
    """How many achievements are unlocked, of how many, and the points they brought."""

    unlocked: Annotated[int, Meta(ge=0, description="Achievements unlocked.", examples=[3])]
    available: Annotated[
        int,
        Meta(
            ge=0,
            description="Achievements that are unlocked or can be, hidden ones too.",
            examples=[25],
        ),
    ]
    hidden: Annotated[
        int, Meta(ge=0, description="Achievements that are not listed yet.", examples=[2])
    ]
    points: Annotated[int, Meta(ge=0, description="Points of the unlocked ones.", examples=[60])]


class AchievementSummary(AchievementCounts, frozen=True, kw_only=True):
    """The counts, and what was unlocked last."""

    recent: Annotated[
        list[Unlocked],
        Meta(max_length=5, description="The latest unlocks, at most five, latest first."),
    ]


class TopicLevel(Answer, frozen=True, kw_only=True):
    """A topic's skill level in short."""

    topic: ExerciseTopic
    level: LevelHeld
    exercises_completed: Count
    average_grade: MeanGrade


class ProgressAnswer(Answer, frozen=True, kw_only=True):
    """A learner's progress at a glance."""

    user_id: LearnerId
    timezone: ClockName
    as_of: ReadAt
    gamification: ChosenGame
    exercises_completed: Count
    time_spent_seconds: SecondsSpent
    average_grade: MeanGrade
    hints_used: Hints
    streak: Annotated[Streak, Meta(description="Streaks in short.")]
    achievements: Annotated[AchievementSummary, Meta(description="Achievements in short.")]
    skill_levels: Annotated[list[TopicLevel], Meta(description="A level per topic, by topic.")]


class RuleProgress(Answer, frozen=True, kw_only=True):
    """How far an achievement's rule is met."""

    current: Annotated[int, Meta(ge=0, description="What is measured now.", examples=[7])]
    target: Annotated[int, Meta(ge=1, description="What the rule asks for.", examples=[10])]
    percent: Annotated[
        int, Meta(ge=0, le=100, description="Rounded down; 100 once unlocked.", examples=[70])
    ]


class DescribedAchievement(Answer, frozen=True, kw_only=True):
    """An achievement as the rule book describes it."""

    id: Annotated[str, Meta(description="The achievement's id.", examples=["first_steps"])]
    name: Annotated[str, Meta(description="Its name.", examples=["First steps"])]
    description: Annotated[str, Meta(description="What it is for.")]
    goal: Annotated[
        str | None,
        Meta(
            description="How to earn it, for those who have not; null without such a text.",
            examples=["Complete your first exercise"],
        ),
    ]
    category: Annotated[str, Meta(description="Its category.", examples=["milestones"])]
    tier: Annotated[Tier, Meta(description="Its tier.")]
    family: Annotated[
        str | None,
        Meta(
            description="Achievements of one family belong together, such as the tiers of one "
            "rule; null without a family.",
            examples=["milestones"],
        ),
    ]
    points: Annotated[int, Meta(ge=0, description="The points it brings.", examples=[10])]
    icon: Annotated[str, Meta(description="The name of its icon.", examples=["footprints"])]


class Rarity(Answer, frozen=True, kw_only=True):
    """How many of the learners hold an achievement. It is counted now and then."""

    holders: Annotated[int, Meta(ge=0, description="Learners who hold it.", examples=[3])]
    learners: Annotated[int, Meta(ge=20, description="Learners with a completion.", examples=[120])]
    percent: Annotated[
        int, Meta(ge=0, le=100, description="Their share, rounded down.", examples=[2])
    ]
    text: Annotated[
        str,
        Meta(
            description="The percent as text: `<1` where fewer than one percent hold it, but "
            "somebody does.",
            examples=["2", "<1"],
        ),
    ]
    rare: Annotated[bool, Meta(description="Whether at most 10% hold it, by the exact share.")]


AchievementRarity = Annotated[
    Rarity | None,
    Meta(
        description="How rare it is; null for a hidden achievement, with fewer than 20 learners, "
        "and where it was not counted yet."
    ),
]


class AchievementStatus(DescribedAchievement, frozen=True, kw_only=True):
    """An achievement of the rule book, and the learner's progress towards it."""

    unlocked: Annotated[
        bool,
        Meta(
            description="Whether the learner has it. It is not taken away, unless the rule book "
            "says that it can be."
        ),
    ]
    unlocked_at: Annotated[
        Moment | None,
        Meta(
            description="When the exercise that completed it was completed; null while locked. "
            "The first time of an achievement that repeats."
        ),
    ]
    occurrences: Annotated[
        int,
        Meta(
            ge=0,
            description="How often it was unlocked: more than once only if it repeats. Each "
            "occurrence brings its points.",
            examples=[1],
        ),
    ]
    last_unlocked_at: Annotated[
        Moment | None, Meta(description="When it was unlocked last; null while locked.")
    ]
    progress: Annotated[
        RuleProgress, Meta(description="How far its rule is met; 0 of 1 where that is hidden.")
    ]
    progress_hidden: Annotated[bool, Meta(description="Whether the progress is hidden.")]
    rarity: AchievementRarity


class AchievementsAnswer(Answer, frozen=True, kw_only=True):
    """Every achievement of the rule book, in its order, but for hidden ones."""

    user_id: LearnerId
    totals: Annotated[AchievementCounts, Meta(description="The counts.")]
    achievements: Annotated[
        list[AchievementStatus],
        Meta(description="Every achievement that is unlocked or not hidden."),
    ]


class Badge(DescribedAchievement, frozen=True, kw_only=True):
    """An achievement as a badge."""

    status: Annotated[BadgeStatus, Meta(description="Earned, begun, or not begun.")]
    earned_at: Annotated[Moment | None, Meta(description="When it was earned; null until then.")]
    occurrences: Annotated[int, Meta(ge=0, description="How often it was earned.", examples=[1])]
    percent: Annotated[
        int, Meta(ge=0, le=100, description="How far it is, or 0 if hidden; 100 once earned.")
    ]
    rarity: AchievementRarity


class BadgesAnswer(Answer, frozen=True, kw_only=True):
    """Badges that were earned, and those that can still be earned."""

    user_id: LearnerId
    points_earned: Annotated[
        int, Meta(ge=0, description="Points of the earned badges.", examples=[60])
    ]
    points_available: Annotated[
        int,
        Meta(
            ge=0,
            description="Points that can still be earned, by hidden badges too.",
            examples=[940],
        ),
    ]
    hidden: Annotated[
        int,
        Meta(ge=0, description="Badges that can be earned and are not listed yet.", examples=[2]),
    ]
    earned: Annotated[list[Badge], Meta(description="Earned badges, latest first.")]
    available: Annotated[list[Badge], Meta(description="The others, nearest first.")]


class NextLevel(Answer, frozen=True, kw_only=True):
    """What is missing to the level above."""

    level: Annotated[Level, Meta(description="The level above the one held.")]
    exercises_needed: Annotated[
        int, Meta(ge=0, description="How many more exercises it needs.", examples=[8])
    ]
    grade_needed: Annotated[
        float, Meta(description="The mean grade in percent that it needs.", examples=[70])
    ]


class SkillLevelAnswer(Answer, frozen=True, kw_only=True):
    """A topic's skill level, and the way to the next one."""

    topic: ExerciseTopic
    level: LevelHeld
    previous_level: Annotated[Level, Meta(description="The level before the last change.")]
    level_updated_at: Annotated[
        Moment | None,
        Meta(
            description="When the exercise that changed the level last was completed; null if "
            "none did."
        ),
    ]
    exercises_completed: Count
    average_grade: MeanGrade
    time_spent_seconds: SecondsSpent
    next_level: Annotated[
        NextLevel | None, Meta(description="The level above and what it takes; null for an expert.")
    ]


class SkillLevelsAnswer(Answer, frozen=True, kw_only=True):
    """The skill level in every topic that has a completed exercise, by topic."""

    user_id: LearnerId
    skill_levels: Annotated[list[SkillLevelAnswer], Meta(description="One per topic.")]
