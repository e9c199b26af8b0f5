"""Turns sums per day into the answers about statistics and history."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, TypeVar

from progress_worker.domain.state import Cell
from progress_worker.domain.streak_reading import streaks_by_day
from progress_worker.domain.totals import Totals, sum_of
from progress_worker.domain.vocabulary import DIFFICULTIES
from progress_worker.http.api.presentation_of_streaks import day_statuses_of
from progress_worker.http.api.responses_over_time import (
    DayFigures,
    DifficultyFigures,
    HistoryAnswer,
    HistoryDay,
    Period,
    StatisticsAnswer,
    StreakOnDay,
    Sums,
    TopicFigures,
)
from progress_worker.http.api.windows import (
    PERIOD_DAYS,
    TREND_DAYS,
    Range,
    Window,
    last_days,
    last_shown,
)
from progress_worker.storage.read.views import HistoryView, StatisticsView

_Cells = list[tuple[Cell, Totals]]
_Key = TypeVar("_Key", bound=Hashable)


def present_statistics(
    view: StatisticsView, user_id: str, period: Period, now: dt.datetime
) -> StatisticsAnswer:
    """The figures of the period. The view has the days of the period and of the trend."""
    last = last_shown(view.stamp, now)
    window = None if period == "all" else last_days(PERIOD_DAYS[period], last)
    cells = list(view.totals.items()) if window is None else _cells(view, window)
    topics = _sums_by((topic, totals) for (topic, _), totals in cells)
    difficulties = _sums_by((difficulty, totals) for (_, difficulty), totals in cells)
    return StatisticsAnswer(
        user_id=user_id,
        period=period,
        start_date=window.first if window else None,
        end_date=window.last if window else None,
        **_figures(sum_of(difficulties.values())),
        by_topic=[TopicFigures(topic=topic, **_figures(topics[topic])) for topic in sorted(topics)],
        by_difficulty=[
            DifficultyFigures(difficulty=difficulty, **_figures(difficulties[difficulty]))
            for difficulty in DIFFICULTIES
        ],
        trend=[
            DayFigures(date=day, **_figures(sum_of(view.days.get(day, {}).values())))
            for day in last_days(TREND_DAYS, last)
        ],
    )


def present_history(
    view: HistoryView, user_id: str, asked: Range, now: dt.datetime
) -> HistoryAnswer:
    """A row per day of the range. Raises ValueError if the range is too long.

    The view has the days of the range, and perhaps one more on either side.
    """
    last = last_shown(view.stamp, now)
    window = asked.window(last)
    shown = Window(window.first, min(window.last, last))
    return HistoryAnswer(
        user_id=user_id,
        start_date=window.first,
        end_date=window.last,
        days=list(_history_days(view, shown, view.stamp.clock.day_of(now))),
    )


def _history_days(view: HistoryView, window: Window, today: dt.date) -> Iterator[HistoryDay]:
    earlier = (totals for day, totals in view.days.items() if day < window.first)
    sums = sum_of([view.before, *earlier])
    withdrawn, unlocks = view.stamp.book.withdrawn, view.unlocks if view.stamp.shows_game else ()
    unlocks_on = Counter(day for name, day in unlocks if name not in withdrawn)
    unlocked = sum(count for day, count in unlocks_on.items() if day < window.first)
    cumulative, idle = _sums(sums, unlocked), Totals()
    policy = view.stamp.book.streak_policy
    streaks = streaks_by_day(view.streaks, policy, window.first, window.last)
    statuses = day_statuses_of(view.streaks, view.stamp, today, window)
    for day, status, (current, longest) in zip(window, statuses, streaks, strict=True):
        totals, unlocked_then = view.days.get(day, idle), unlocks_on.get(day, 0)
        if totals is not idle or unlocked_then:
            sums.merge(totals)
            unlocked += unlocked_then
            cumulative = _sums(sums, unlocked)
        yield HistoryDay(
            exercises_completed=totals.completions,
            time_spent_seconds=totals.time_spent_seconds,
            average_grade=totals.average_grade,
            hints_used=totals.hints_used,
            achievements_unlocked=unlocked_then,
            date=day,
            status=status,
            cumulative=cumulative,
            streak=StreakOnDay(current=current, longest=longest),
        )


def _cells(view: StatisticsView, window: Window) -> _Cells:
    return [pair for day, cells in view.days.items() if day in window for pair in cells.items()]


def _sums_by(parts: Iterable[tuple[_Key, Totals]]) -> defaultdict[_Key, Totals]:
    """The sum of the parts of each key. A key without parts is left out."""
    sums: defaultdict[_Key, Totals] = defaultdict(Totals)
    for key, part in parts:
        sums[key].merge(part)
    return sums


def _figures(totals: Totals) -> dict[str, Any]:
    count = totals.completions
    return {
        "exercises_completed": count,
        "average_grade": totals.average_grade,
        "time_spent_seconds": totals.time_spent_seconds,
        "average_time_seconds": totals.time_spent_seconds / count if count else None,
        "hints_used": totals.hints_used,
        "average_hints": totals.hints_used / count if count else None,
    }


def _sums(totals: Totals, unlocks: int) -> Sums:
    return Sums(
        exercises_completed=totals.completions,
        time_spent_seconds=totals.time_spent_seconds,
        average_grade=totals.average_grade,
        hints_used=totals.hints_used,
        achievements_unlocked=unlocks,
    )
