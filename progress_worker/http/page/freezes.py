"""What the page says beside a streak: its freezes and gaps, when it ends, and other habits.

The sentences are the same to the learner and about the learner.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from progress_worker.domain.calendar import LocalClock
from progress_worker.http.api.responses_of_streaks import (
    DailyStanding,
    FreezeMeter,
    RepairableGap,
    StreakAnswer,
)
from progress_worker.http.api.windows import ONE_DAY
from progress_worker.http.page.text import counted, day, number, weekday, weekday_and_day

#: A day that ends before this hour of the next one ends tonight.
_MORNING: Final = 6
_DAYS_OF_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class StreakNotes:
    """Sentences. One is empty where there is nothing to say."""

    gap: str
    end: str
    freezes: str
    habits: str


def streak_notes(answer: StreakAnswer, clock: LocalClock, *, excused: bool) -> StreakNotes:
    """The notes to a learner's streaks.

    Without freezes and excused days, a streak ends with a missed day, and its first sentence says
    all of it.
    """
    daily, habits = answer.daily, _habits(answer)
    if not daily.freezes.cap and not excused:
        return StreakNotes("", "", "", habits)
    return StreakNotes(
        gap=_gap(daily, daily.repairable) if daily.repairable else "",
        end=_end(daily, clock, answer.today),
        freezes=_freezes(daily) if daily.freezes.cap else "",
        habits=habits,
    )


def end_of_days(clock: LocalClock, today: dt.date) -> str:
    """When the learner's days end, as in midnight in Europe/Berlin."""
    name = clock.name
    place = f"UTC{name}" if name[0] in "+-" else name
    return f"{_time(clock.hour_on(today + ONE_DAY))} in {place}"


def _gap(daily: DailyStanding, gap: RepairableGap) -> str:
    one = weekday_and_day(gap.first_day) if gap.missed == 1 else ""
    days = f"{day(gap.first_day)} to {day(gap.last_day)}"
    if daily.current:
        return (
            f"A freeze covers {one}."
            if one
            else f"{number(gap.missed)} freezes cover what was missed from {days}."
        )
    return f"The gap since then: {counted(gap.missed, 'day')}, {one or f'from {days}'}."


def _end(daily: DailyStanding, clock: LocalClock, today: dt.date) -> str:
    if daily.expires_at is None:
        return ""
    until = _until(clock, clock.day_of(daily.expires_at), today)
    if daily.state in ("at_risk", "frozen"):
        return f"The streak can be saved until {until}."
    return f"The streak is safe until {until}."


def _until(clock: LocalClock, following: dt.date, today: dt.date) -> str:
    """When the day before `following` ends: midnight tonight, 4:00 tonight, midnight on Friday."""
    hour = clock.hour_on(following)
    if following == today + ONE_DAY and hour < _MORNING:
        return f"{_time(hour)} tonight"
    date = following if hour else following - ONE_DAY
    near = date - today < ONE_DAY * _DAYS_OF_WEEK
    return f"{_time(hour)} on {weekday(date) if near else day(date)}"


def _time(hour: int) -> str:
    return f"{hour}:00" if hour else "midnight"


def _freezes(daily: DailyStanding) -> str:
    freezes = daily.freezes
    if not daily.current:
        return f"{_price(freezes.earn_every)}, which covers a missed day."
    left = counted(freezes.left, "freeze") if freezes.left else "No freeze"
    return f"{left} left. {_next(freezes)}"


def _next(freezes: FreezeMeter) -> str:
    if freezes.next_freeze_in is None:
        return "More cannot be saved up."
    more = counted(freezes.next_freeze_in, "more active day")
    return f"The next one comes after {more}."


def _price(days: int) -> str:
    return "Every active day earns a freeze" if days == 1 else f"{days} active days earn a freeze"


def _habits(answer: StreakAnswer) -> str:
    """The weekly streak and the consistency, as far as there is something to be glad of."""
    weeks, lately = answer.weekly.current, answer.consistency
    parts = [f"{counted(weeks, 'week')} in a row"] if weeks else []
    if lately.active_days:
        parts.append(f"active on {lately.active_days} of the last {lately.days} days")
    said = ", ".join(parts)
    return said[:1].upper() + said[1:]
