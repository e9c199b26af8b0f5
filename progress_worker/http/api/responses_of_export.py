"""The models of the export: everything about a learner."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta

from progress_worker.domain.excuses import ExcuseKind
from progress_worker.domain.preferences import Boards, Gamification, GoalMeasure
from progress_worker.domain.vocabulary import Difficulty
from progress_worker.http.api.fields import (
    Answer,
    Count,
    ExerciseTopic,
    Hints,
    LocalDay,
    MeanGrade,
    Moment,
    SecondsSpent,
)
from progress_worker.http.api.responses import (
    AchievementsAnswer,
    BadgesAnswer,
    ProgressAnswer,
    SkillLevelsAnswer,
)
from progress_worker.http.api.responses_of_explanations import (
    ExplainedNode,
    StillHolds,
    UnlockExplained,
)
from progress_worker.http.api.responses_of_streaks import StreakAnswer
from progress_worker.http.api.responses_over_time import HistoryAnswer, StatisticsAnswer

#: The `$id` of the published schema, and its file.
SCHEMA_ID: Final = "urn:progress-worker:export:v1"
SCHEMA_FILE: Final = "learner-export.v1.json"


class ExportedCompletion(Answer, frozen=True, kw_only=True):
    """A completed exercise at its highest revision."""

    event_id: Annotated[UUID, Meta(description="The completion's identity.")]
    revision: Annotated[int, Meta(ge=0, description="Its highest revision.")]
    revoked: Annotated[bool, Meta(description="Whether it was taken back, and so counts nowhere.")]
    exercise_id: Annotated[str, Meta(description="The exercise.")]
    topic: ExerciseTopic
    difficulty: Annotated[Difficulty, Meta(description="The difficulty.")]
    grade: Annotated[float | None, Meta(description="The grade in percent; null when not graded.")]
    time_spent_seconds: SecondsSpent
    hints_used: Hints
    completed_at: Annotated[Moment, Meta(description="When it was completed, in UTC.")]
    timezone: Annotated[str | None, Meta(description="The zone that the event named, if it did.")]
    local_day: Annotated[dt.date, Meta(description="The learner's local day at that moment.")]
    utc_offset_minutes: Annotated[
        int | None,
        Meta(
            description="How far the learner's clock was ahead of UTC, in minutes; null if an old "
            "release stored it."
        ),
    ]
    day_starts_at: Annotated[
        int | None,
        Meta(description="The hour at which the learner's day starts, if the event named it."),
    ]
    cohort: Annotated[
        str | None, Meta(description="The class, course or group that the event named, if it did.")
    ]


class ExportedDay(Answer, frozen=True, kw_only=True):
    """The sums of one local day, topic and difficulty."""

    local_day: LocalDay
    topic: ExerciseTopic
    difficulty: Annotated[Difficulty, Meta(description="The difficulty.")]
    exercises_completed: Count
    exercises_graded: Annotated[int, Meta(ge=0, description="How many of them have a grade.")]
    average_grade: MeanGrade
    exercises_passed: Annotated[
        int, Meta(ge=0, description="How many of them have a grade that passes.")
    ]
    time_spent_seconds: SecondsSpent
    hints_used: Hints


class ExportedExcuse(Answer, frozen=True, kw_only=True):
    """Days that the platform excused, so that they cannot break a streak."""

    excuse_id: Annotated[UUID, Meta(description="The excuse's identity.")]
    revision: Annotated[int, Meta(ge=0, description="Its highest revision.")]
    revoked: Annotated[bool, Meta(description="Whether it was taken back.")]
    kind: Annotated[ExcuseKind, Meta(description="Why the days are excused.")]
    first_day: Annotated[dt.date, Meta(description="The first excused local day.")]
    last_day: Annotated[dt.date, Meta(description="The last one.")]
    issued_at: Annotated[Moment, Meta(description="When the platform excused them.")]


class ExportedPreferences(Answer, frozen=True, kw_only=True):
    """What the learner prefers, at its highest revision."""

    revision: Annotated[int, Meta(ge=0, description="Its highest revision.")]
    issued_at: Annotated[Moment, Meta(description="When it was chosen.")]
    boards: Annotated[Boards, Meta(description="How the learner is shown on boards.")]
    display_name: Annotated[str | None, Meta(description="The name on boards, if there is one.")]
    gamification: Annotated[
        Gamification, Meta(description="Whether badges, points and what urges are shown.")
    ]
    goal_measure: Annotated[
        GoalMeasure | None, Meta(description="What the goal counts; null without a goal.")
    ]
    goal_target: Annotated[int | None, Meta(description="How much of it.")]
    goal_by: Annotated[dt.date | None, Meta(description="Until when, if the goal says so.")]


class ExportedUnlock(Answer, frozen=True, kw_only=True):
    """An unlocked achievement, and why it was unlocked.

    The same as the achievement's explanation has, but for the completions that counted.
    """

    id: Annotated[str, Meta(description="The achievement's id.", examples=["first_steps"])]
    name: Annotated[str, Meta(description="Its name.", examples=["First steps"])]
    occurrence: Annotated[
        int,
        Meta(
            description="Which one, of an achievement that repeats: a multiple, or a week as in "
            "202648.",
            examples=[1],
        ),
    ]
    local_day: Annotated[dt.date, Meta(description="The learner's local day at the unlock.")]
    rule_version: Annotated[
        int, Meta(description="The version of the rule book that gave the unlock.")
    ]
    rules_of_that_day: Annotated[
        bool,
        Meta(
            description="False if the database does not have that rule book; `rule` is by the "
            "learner's then."
        ),
    ]
    unlock: Annotated[UnlockExplained, Meta(description="The unlock as it is stored.")]
    still_holds: Annotated[
        StillHolds | None,
        Meta(description="Whether the rule holds today; null where no rule book has the rule."),
    ]
    rule: Annotated[
        ExplainedNode | None,
        Meta(
            description="The rule as a tree, and what it measures today; null where no rule book "
            "has it."
        ),
    ]


class ExportedStatistics(Answer, frozen=True, kw_only=True):
    """The statistics of every period."""

    daily: Annotated[StatisticsAnswer, Meta(description="Today.")]
    weekly: Annotated[StatisticsAnswer, Meta(description="The last seven local days.")]
    monthly: Annotated[StatisticsAnswer, Meta(description="The last thirty local days.")]
    all: Annotated[StatisticsAnswer, Meta(description="All days.")]


class ExportSummary(Answer, frozen=True, kw_only=True):
    """What the other paths answer."""

    schema: Annotated[
        str,
        Meta(
            description=f"The schema of the export, which `schemas/{SCHEMA_FILE}` publishes.",
            examples=[SCHEMA_ID],
        ),
    ]
    completions_kept_from: Annotated[
        Moment | None,
        Meta(
            description="Completions before this may be deleted. Sums and days still count them. "
            "Usually null."
        ),
    ]
    progress: Annotated[ProgressAnswer, Meta(description="As `/api/progress`.")]
    achievements: Annotated[
        AchievementsAnswer, Meta(description="As `/api/progress/achievements`.")
    ]
    badges: Annotated[BadgesAnswer, Meta(description="As `/api/progress/badges`.")]
    statistics: Annotated[ExportedStatistics, Meta(description="As `/api/progress/statistics`.")]
    history: Annotated[HistoryAnswer, Meta(description="As `/api/progress/history?days=366`.")]
    streak: Annotated[StreakAnswer, Meta(description="As `/api/progress/streak?days=366`.")]
    skill_levels: Annotated[SkillLevelsAnswer, Meta(description="As `/api/progress/skill-levels`.")]


class ExportAnswer(ExportSummary, frozen=True, kw_only=True):
    """Everything that is known about a learner's progress, from one moment."""

    completions: Annotated[
        list[ExportedCompletion], Meta(description="Every completion, oldest first.")
    ]
    days: Annotated[
        list[ExportedDay], Meta(description="The sums of every day that has an exercise.")
    ]
    excuses: Annotated[
        list[ExportedExcuse], Meta(description="Every excuse, those that were taken back too.")
    ]
    preferences: Annotated[
        list[ExportedPreferences],
        Meta(description="What the learner prefers; empty if nothing was ever chosen."),
    ]
    unlocks: Annotated[
        list[ExportedUnlock], Meta(description="Every unlock, oldest first, with its explanation.")
    ]
