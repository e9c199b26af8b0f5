"""Turns a learner's days into the answers about streaks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from progress_worker.domain.calendar import LocalClock
from progress_worker.domain.calm import without_blame, without_pressure
from progress_worker.domain.goals import read_goal
from progress_worker.domain.streak_reading import (
    CONSISTENCY_DAYS,
    DailyReading,
    DayStatus,
    consistency,
    day_statuses,
    read_daily,
    read_weekly,
)
from progress_worker.domain.streaks import Streaks
from progress_worker.domain.vocabulary import WEEKDAYS
from progress_worker.http.api.responses_of_streaks import (
    Consistency,
    DailyStanding,
    DayOfStreak,
    FreezeMeter,
    GoalStanding,
    RepairableGap,
    Streak,
    StreakAnswer,
    WeeklyStanding,
)
from progress_worker.http.api.windows import Range, Window, last_shown
from progress_worker.storage.read.views import Stamp, StreakView


def present_streak(view: StreakView, user_id: str, asked: Range, now: dt.datetime) -> StreakAnswer:
    """The streaks, and every day of the range. Raises ValueError if the range is too long."""
    stamp, streaks = view.stamp, view.streaks
    today = stamp.clock.day_of(now)
    return StreakAnswer(
        user_id=user_id,
        timezone=stamp.clock.name,
        as_of=now,
        today=today,
        daily=_daily(streaks, stamp, today),
        weekly=_weekly(streaks, stamp, today),
        consistency=Consistency(
            active_days=consistency(streaks.active, today), days=CONSISTENCY_DAYS
        ),
        goal=_goal(view, today),
        days=_days(streaks, stamp, today, asked.window(last_shown(stamp, now))),
    )


def streak_in_short(streaks: Streaks, stamp: Stamp, now: dt.datetime) -> Streak:
    """The streaks as they stand in the answer about a learner's progress."""
    read = _read_daily(streaks, stamp, stamp.clock.day_of(now))
    return Streak(
        **_run(read, stamp.clock),
        freezes_left=read.freezes_left,
        next_freeze_in=read.next_freeze_in,
    )


def day_statuses_of(
    streaks: Streaks, stamp: Stamp, today: dt.date, window: Window
) -> Iterator[DayStatus | None]:
    """What each day of the window is to the streak, as the learner wants to see it."""
    policy = stamp.book.streak_policy
    statuses = day_statuses(streaks, policy, today, window.first, window.last)
    return iter(statuses) if stamp.shows_game else map(without_blame, statuses)


def _read_daily(streaks: Streaks, stamp: Stamp, today: dt.date) -> DailyReading:
    read = read_daily(streaks, stamp.book.streak_policy, today)
    return read if stamp.shows_game else without_pressure(read)


def _daily(streaks: Streaks, stamp: Stamp, today: dt.date) -> DailyStanding:
    read, policy = _read_daily(streaks, stamp, today), stamp.book.streak_policy
    return DailyStanding(
        **_run(read, stamp.clock),
        freezes=FreezeMeter(
            left=read.freezes_left,
            cap=policy.cap if stamp.shows_game else 0,
            earn_every=policy.earn_every,
            next_freeze_in=read.next_freeze_in,
        ),
    )


def _run(read: DailyReading, clock: LocalClock) -> dict[str, Any]:
    return {
        "current": read.current,
        "longest": read.longest,
        "calendar_days": read.calendar_days,
        "state": read.state,
        "last_active_day": read.last_active_day,
        "active_today": read.state == "active_today",
        "at_risk": read.state == "at_risk",
        "expires_at": clock.end_of(read.expires_on) if read.expires_on else None,
        "repairable": RepairableGap(**read.repairable._asdict()) if read.repairable else None,
    }


def _weekly(streaks: Streaks, stamp: Stamp, today: dt.date) -> WeeklyStanding:
    policy = stamp.book.streak_policy
    read = read_weekly(streaks, policy, today)
    return WeeklyStanding(
        **read._asdict() | ({} if stamp.shows_game else {"needed": 0}),
        starts_on=WEEKDAYS[policy.week_starts_on],
        met=read.met,
        skipped=read.skipped,
    )


def _goal(view: StreakView, today: dt.date) -> GoalStanding | None:
    chosen, stamp = view.preference, view.stamp
    if chosen is None or chosen.goal is None:
        return None
    goal, starts_on = chosen.goal, stamp.book.streak_policy.week_starts_on
    chosen_on = stamp.clock.day_of(chosen.issued_at)
    read = read_goal(goal, chosen_on, today, starts_on, view.goal_days)
    return GoalStanding(
        **goal._asdict(),
        start_date=read.first,
        end_date=read.last,
        current=read.current,
        reached=read.current >= goal.target,
    )


def _days(streaks: Streaks, stamp: Stamp, today: dt.date, window: Window) -> list[DayOfStreak]:
    statuses = day_statuses_of(streaks, stamp, today, window)
    return [
        DayOfStreak(date=day, status=status) for day, status in zip(window, statuses, strict=True)
    ]
