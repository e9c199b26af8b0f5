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
from progress_worker.http.page.language import Language, capitalized

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


def streak_notes(
    answer: StreakAnswer, clock: LocalClock, language: Language, *, excused: bool
) -> StreakNotes:
    """The notes to a learner's streaks.

    Without freezes and excused days, a streak ends with a missed day, and its first sentence says
    all of it.
    """
    daily, habits = answer.daily, _habits(answer, language)
    if not daily.freezes.cap and not excused:
        return StreakNotes("", "", "", habits)
    return StreakNotes(
        gap=_gap(daily, daily.repairable, language) if daily.repairable else "",
        end=_end(daily, clock, answer.today, language),
        freezes=_freezes(daily, language) if daily.freezes.cap else "",
        habits=habits,
    )


def end_of_days(clock: LocalClock, today: dt.date, language: Language) -> str:
    """When the learner's days end, as in midnight in Europe/Berlin."""
    name, hour = clock.name, clock.hour_on(today + ONE_DAY)
    place = f"UTC{name}" if name[0] in "+-" else name
    key = "end.days_at_hour" if hour else "end.days_at_midnight"
    return language.say(key, hour=hour, place=place)


def _gap(daily: DailyStanding, gap: RepairableGap, language: Language) -> str:
    kind = "covered" if daily.current else "open"
    if gap.missed == 1:
        day = language.weekday_and_day(gap.first_day)
        return language.say(f"gap.{kind}_day", count=gap.missed, day=day)
    first, last = language.day(gap.first_day), language.day(gap.last_day)
    return language.say(f"gap.{kind}_days", count=gap.missed, first=first, last=last)


def _end(daily: DailyStanding, clock: LocalClock, today: dt.date, language: Language) -> str:
    if daily.expires_at is None:
        return ""
    moment = _moment(clock, clock.day_of(daily.expires_at), today, language)
    key = "end.saved" if daily.state in ("at_risk", "frozen") else "end.safe"
    return language.say(key, moment=moment)


def _moment(clock: LocalClock, following: dt.date, today: dt.date, language: Language) -> str:
    """When the day before `following` ends: midnight tonight, 4:00 tonight, midnight on Friday."""
    hour = clock.hour_on(following)
    date = following if hour else following - ONE_DAY
    when = "on_day"
    if following == today + ONE_DAY and hour < _MORNING:
        when = "tonight"
    elif date - today < ONE_DAY * _DAYS_OF_WEEK:
        when = "on_weekday"
    time = "hour" if hour else "midnight"
    return language.say(
        f"end.{time}_{when}", hour=hour, weekday=language.weekday(date), day=language.day(date)
    )


def _freezes(daily: DailyStanding, language: Language) -> str:
    freezes = daily.freezes
    if not daily.current:
        if freezes.earn_every == 1:
            return language.say("freezes.price_of_one_day")
        return language.say("freezes.price", count=freezes.earn_every)
    left = language.say("freezes.left" if freezes.left else "freezes.none", count=freezes.left)
    return f"{left} {_next(freezes, language)}"


def _next(freezes: FreezeMeter, language: Language) -> str:
    if freezes.next_freeze_in is None:
        return language.say("freezes.full")
    return language.say("freezes.next", count=freezes.next_freeze_in)


def _habits(answer: StreakAnswer, language: Language) -> str:
    """The weekly streak and the consistency, as far as there is something to be glad of."""
    weeks, lately = answer.weekly.current, answer.consistency
    parts = [language.say("habits.weeks", count=weeks)] if weeks else []
    if lately.active_days:
        active = language.number(lately.active_days)
        parts.append(language.say("habits.active", active=active, count=lately.days))
    if len(parts) > 1:
        parts = [language.say("figures.list", first=parts[0], second=parts[1])]
    return capitalized("".join(parts))
