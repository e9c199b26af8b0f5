"""From sums per day to the answers about statistics and history."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Final

from progress_worker.domain.calendar import today
from progress_worker.domain.state import Cell
from progress_worker.domain.streaks import ActiveDays
from progress_worker.domain.totals import Totals
from progress_worker.events.models import Difficulty
from progress_worker.http.responses_over_time import (
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
from progress_worker.http.windows import PERIOD_DAYS, TREND_DAYS, Range, Window, last_days
from progress_worker.storage.views import HistoryView, StatisticsView

_DIFFICULTIES: Final[tuple[Difficulty, ...]] = ("easy", "medium", "hard")

_Cells = list[tuple[Cell, Totals]]


def present_statistics(
    view: StatisticsView, user_id: str, period: Period, now: dt.datetime
) -> StatisticsAnswer:
    """The period's figures; the view's days span it and the trend."""
    local = today(view.stamp.timezone, now)
    window = None if period == "all" else last_days(PERIOD_DAYS[period], local)
    cells = list(view.totals.items()) if window is None else _cells(view, window)
    topics = sorted({topic for (topic, _), _ in cells})
    return StatisticsAnswer(
        user_id=user_id,
        period=period,
        start_date=window and window.first,
        end_date=window and window.last,
        **_figures(totals for _, totals in cells),
        by_topic=[
            TopicFigures(topic=topic, **_figures(t for cell, t in cells if cell[0] == topic))
            for topic in topics
        ],
        by_difficulty=[
            DifficultyFigures(
                difficulty=difficulty,
                **_figures(t for cell, t in cells if cell[1] == difficulty),
            )
            for difficulty in _DIFFICULTIES
        ],
        trend=[
            DayFigures(date=day, **_figures(view.days.get(day, {}).values()))
            for day in _days(last_days(TREND_DAYS, local))
        ],
    )


def present_history(
    view: HistoryView, user_id: str, asked: Range, now: dt.datetime
) -> HistoryAnswer:
    """A row per day of the range until today; raises ValueError when the range is too long.

    The view spans the range, and perhaps a day more on either side.
    """
    local = today(view.stamp.timezone, now)
    window = asked.window(local)
    shown = Window(window.first, min(window.last, local))
    return HistoryAnswer(
        user_id=user_id,
        start_date=window.first,
        end_date=window.last,
        days=list(_history_days(view, shown)),
    )


def streaks_by_day(active: ActiveDays, window: Window) -> Iterator[tuple[int, int]]:
    """The current and the longest streak as they stood at the end of each day of the window."""
    longest_until = [0]
    for first, last in active.runs:
        longest_until.append(max(longest_until[-1], last - first + 1))
    for day in _days(window):
        ordinal = day.toordinal()
        begun = bisect_right(active.runs, ordinal, key=lambda run: run[0])
        if begun == 0:
            yield 0, 0
            continue
        first, last = active.runs[begun - 1]
        length = min(last, ordinal) - first + 1
        yield (length if last >= ordinal - 1 else 0), max(longest_until[begun - 1], length)


def _history_days(view: HistoryView, window: Window) -> Iterator[HistoryDay]:
    cumulative = Totals()
    cumulative.merge(view.before)
    for day, totals in view.days.items():
        if day < window.first:
            cumulative.merge(totals)
    unlock_days = list(view.unlocks.values())
    unlocked = sum(day < window.first for day in unlock_days)
    for day, (current, longest) in zip(
        _days(window), streaks_by_day(view.active_days, window), strict=True
    ):
        totals = view.days.get(day, Totals())
        unlocks = unlock_days.count(day)
        cumulative.merge(totals)
        unlocked += unlocks
        yield HistoryDay(
            date=day,
            **_sums(totals, unlocks),
            cumulative=Sums(**_sums(cumulative, unlocked)),
            streak=StreakOnDay(current=current, longest=longest),
        )


def _days(window: Window) -> Iterator[dt.date]:
    for offset in range(len(window)):
        yield window.first + dt.timedelta(days=offset)


def _cells(view: StatisticsView, window: Window) -> _Cells:
    return [pair for day, cells in view.days.items() if day in window for pair in cells.items()]


def _figures(parts: Iterable[Totals]) -> dict[str, Any]:
    totals = Totals()
    for part in parts:
        totals.merge(part)
    count = totals.completions
    return {
        "exercises_completed": count,
        "average_grade": totals.average_grade,
        "time_spent_seconds": totals.time_spent_seconds,
        "average_time_seconds": totals.time_spent_seconds / count if count else None,
        "hints_used": totals.hints_used,
        "average_hints": totals.hints_used / count if count else None,
    }


def _sums(totals: Totals, unlocks: int) -> dict[str, Any]:
    return {
        "exercises_completed": totals.completions,
        "time_spent_seconds": totals.time_spent_seconds,
        "average_grade": totals.average_grade,
        "hints_used": totals.hints_used,
        "achievements_unlocked": unlocks,
    }
