"""The answers' models that look at days: statistics and history."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

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
    SecondsSpent,
)
from progress_worker.http.api.responses_of_streaks import StatusOfDay

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
