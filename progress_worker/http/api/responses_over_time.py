"""The answers' models that look at days: statistics, history and the export."""

from __future__ import annotations

import datetime as dt
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from progress_worker.domain.vocabulary import Difficulty
from progress_worker.http.api.responses import (
    AchievementsAnswer,
    Answer,
    BadgesAnswer,
    Count,
    ExerciseTopic,
    Hints,
    LearnerId,
    MeanGrade,
    ProgressAnswer,
    SecondsSpent,
    SkillLevelsAnswer,
)

Period = Literal["daily", "weekly", "monthly", "all"]


class Figures(Answer):
    """Sums and means over exercises."""

    exercises_completed: Count
    average_grade: MeanGrade
    time_spent_seconds: SecondsSpent
    average_time_seconds: float | None = Field(
        description="The mean time per exercise, in seconds; null without any.", examples=[442.8]
    )
    hints_used: Hints
    average_hints: float | None = Field(
        description="The mean number of hints per exercise; null without any.", examples=[0.4]
    )


class OfTopic(Answer):
    """What belongs to a topic."""

    topic: ExerciseTopic


class OfDifficulty(Answer):
    """What belongs to a difficulty."""

    difficulty: Difficulty = Field(description="The difficulty.")


class OnDay(Answer):
    """What belongs to a day."""

    date: dt.date = Field(description="The local day.")


class InWindow(Answer):
    """What belongs to a window of days."""

    user_id: LearnerId
    period: Period = Field(description="The window that was asked for.")
    start_date: dt.date | None = Field(description="The window's first local day; null for all.")
    end_date: dt.date | None = Field(
        description="The window's last local day, which is today, or the last active day where "
        "that is later; null for all."
    )


# A model's fields come in the order of its bases, the last one first.
class TopicFigures(Figures, OfTopic):
    """The figures of one topic."""


class DifficultyFigures(Figures, OfDifficulty):
    """The figures of one difficulty."""


class DayFigures(Figures, OnDay):
    """The figures of one local day."""


class StatisticsAnswer(Figures, InWindow):
    """The figures of a window of local days, whole and split."""

    by_topic: list[TopicFigures] = Field(description="Per topic of the window, by topic.")
    by_difficulty: list[DifficultyFigures] = Field(
        description="Per difficulty, from easy to hard, those without exercises included."
    )
    trend: list[DayFigures] = Field(
        min_length=7,
        max_length=7,
        description="The seven local days until today, or until the last active day where "
        "that is later; oldest first.",
    )


class Sums(Answer):
    """Sums over exercises, and the unlocks that came with them."""

    exercises_completed: Count
    time_spent_seconds: SecondsSpent
    average_grade: MeanGrade
    hints_used: Hints
    achievements_unlocked: int = Field(ge=0, description="Achievements unlocked.", examples=[1])


class StreakOnDay(Answer):
    """Streaks as they stood at the end of a day, by what is known today."""

    current: int = Field(
        ge=0, description="The run that ends that day, or the day before it; else 0.", examples=[5]
    )
    longest: int = Field(ge=0, description="The longest run until that day.", examples=[12])


class HistoryDay(Sums, OnDay):
    """One local day, with the cumulative sums and the streaks at its end."""

    cumulative: Sums = Field(description="The sums of this and every earlier day.")
    streak: StreakOnDay = Field(description="The streaks at its end.")


class HistoryAnswer(Answer):
    """One row for every local day of a range, idle days included."""

    user_id: LearnerId
    start_date: dt.date = Field(description="The first local day that was asked for.")
    end_date: dt.date = Field(
        description="The last one. Days after today have no row, but for those until the last "
        "active day."
    )
    days: list[HistoryDay] = Field(max_length=366, description="The days, oldest first.")


class ExportedCompletion(Answer):
    """A completed exercise at its highest revision."""

    event_id: UUID = Field(description="The completion's identity.")
    revision: int = Field(ge=0, description="Its highest revision.")
    revoked: bool = Field(description="Whether it was taken back, and so counts nowhere.")
    exercise_id: str = Field(description="The exercise.")
    topic: ExerciseTopic
    difficulty: Difficulty = Field(description="The difficulty.")
    grade: float | None = Field(description="The grade in percent; null when not graded.")
    time_spent_seconds: SecondsSpent
    hints_used: Hints
    completed_at: AwareDatetime = Field(description="When it was completed, in UTC.")
    timezone: str | None = Field(description="The zone that the event named, if it did.")
    local_day: dt.date = Field(description="The learner's local day at that moment.")


class ExportedStatistics(Answer):
    """The statistics of every period."""

    daily: StatisticsAnswer = Field(description="Today.")
    weekly: StatisticsAnswer = Field(description="The last seven local days.")
    monthly: StatisticsAnswer = Field(description="The last thirty local days.")
    all: StatisticsAnswer = Field(description="All days.")


class ExportSummary(Answer):
    """Everything but the completions, as the other paths answer it."""

    progress: ProgressAnswer = Field(description="As `/api/progress`.")
    achievements: AchievementsAnswer = Field(description="As `/api/progress/achievements`.")
    badges: BadgesAnswer = Field(description="As `/api/progress/badges`.")
    statistics: ExportedStatistics = Field(description="As `/api/progress/statistics`.")
    history: HistoryAnswer = Field(description="As `/api/progress/history?days=366`.")
    skill_levels: SkillLevelsAnswer = Field(description="As `/api/progress/skill-levels`.")


class ExportAnswer(ExportSummary):
    """Everything that is known about a learner's progress, from one moment."""

    completions: list[ExportedCompletion] = Field(description="Every completion, oldest first.")
