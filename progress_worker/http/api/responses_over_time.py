"""The answers' models that look at days: statistics, history and the export."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from progress_worker.domain.vocabulary import Difficulty
from progress_worker.http.api.fields import (
    Answer,
    Count,
    ExerciseTopic,
    Hints,
    LearnerId,
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
from progress_worker.http.api.responses_of_streaks import StatusOfDay, StreakAnswer

Period = Literal["daily", "weekly", "monthly", "all"]


class Figures(Answer, frozen=True, kw_only=True):
    """Sums and means over exercises."""

    exercises_completed: Count
    average_grade: MeanGrade
    time_spent_seconds: SecondsSpent
    average_time_seconds: Annotated[
        float | None,
        Meta(
            description="The mean time per exercise, in seconds; null without any.",
            examples=[442.8],
        ),
    ]
    hints_used: Hints
    average_hints: Annotated[
        float | None,
        Meta(
            description="The mean number of hints per exercise; null without any.", examples=[0.4]
        ),
    ]


class TopicFigures(Figures, frozen=True, kw_only=True):
    """The figures of one topic."""

    topic: ExerciseTopic


class DifficultyFigures(Figures, frozen=True, kw_only=True):
    """The figures of one difficulty."""

    difficulty: Annotated[Difficulty, Meta(description="The difficulty.")]


class DayFigures(Figures, frozen=True, kw_only=True):
    """The figures of one local day."""

    date: LocalDay


class StatisticsAnswer(Figures, frozen=True, kw_only=True):
    """The figures of a window of local days, whole and split."""

    user_id: LearnerId
    period: Annotated[Period, Meta(description="The window that was asked for.")]
    start_date: Annotated[
        dt.date | None, Meta(description="The window's first local day; null for all.")
    ]
    end_date: Annotated[
        dt.date | None,
        Meta(
            description="The window's last local day, which is today, or the last active day where "
            "that is later; null for all."
        ),
    ]
    by_topic: Annotated[list[TopicFigures], Meta(description="Per topic of the window, by topic.")]
    by_difficulty: Annotated[
        list[DifficultyFigures],
        Meta(description="Per difficulty, from easy to hard, those without exercises included."),
    ]
    trend: Annotated[
        list[DayFigures],
        Meta(
            min_length=7,
            max_length=7,
            description="The seven local days until today, or until the last active day where "
            "that is later; oldest first.",
        ),
    ]


class Sums(Answer, frozen=True, kw_only=True):
    """Sums over exercises, and the unlocks that came with them."""

    exercises_completed: Count
    time_spent_seconds: SecondsSpent
    average_grade: MeanGrade
    hints_used: Hints
    achievements_unlocked: Annotated[
        int, Meta(ge=0, description="Achievements unlocked.", examples=[1])
    ]


class StreakOnDay(Answer, frozen=True, kw_only=True):
    """Streaks as they stood at the end of a day, by what is known today."""

    current: Annotated[
        int,
        Meta(
            ge=0,
            description="The active days of the run that is alive on that day; else 0.",
            examples=[5],
        ),
    ]
    longest: Annotated[
        int, Meta(ge=0, description="The longest run until that day.", examples=[12])
    ]


class HistoryDay(Sums, frozen=True, kw_only=True):
    """One local day, with the cumulative sums and the streaks at its end."""

    date: LocalDay
    status: StatusOfDay
    cumulative: Annotated[Sums, Meta(description="The sums of this and every earlier day.")]
    streak: Annotated[StreakOnDay, Meta(description="The streaks at its end.")]


class HistoryAnswer(Answer, frozen=True, kw_only=True):
    """One row for every local day of a range, idle days included."""

    user_id: LearnerId
    start_date: Annotated[dt.date, Meta(description="The first local day that was asked for.")]
    end_date: Annotated[
        dt.date,
        Meta(
            description="The last one. Days after today have no row, but for those until the last "
            "active day."
        ),
    ]
    days: Annotated[list[HistoryDay], Meta(max_length=366, description="The days, oldest first.")]


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


class ExportedStatistics(Answer, frozen=True, kw_only=True):
    """The statistics of every period."""

    daily: Annotated[StatisticsAnswer, Meta(description="Today.")]
    weekly: Annotated[StatisticsAnswer, Meta(description="The last seven local days.")]
    monthly: Annotated[StatisticsAnswer, Meta(description="The last thirty local days.")]
    all: Annotated[StatisticsAnswer, Meta(description="All days.")]


class ExportSummary(Answer, frozen=True, kw_only=True):
    """Everything but the completions, as the other paths answer it."""

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
