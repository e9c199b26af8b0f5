"""Turns a learner's days into the answers about streaks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from progress_worker.domain.calendar import LocalClock
from progress_worker.domain.streak_reading import (
    CONSISTENCY_DAYS,
    DailyReading,
    consistency,
    day_statuses,
    read_daily,
    read_weekly,
)
from progress_worker.domain.streaks import StreakPolicy, Streaks
from progress_worker.domain.vocabulary import WEEKDAYS
from progress_worker.http.api.responses_of_streaks import (
    Consistency,
    DailyStanding,
    DayOfStreak,
    FreezeMeter,
    RepairableGap,
    Streak,
    StreakAnswer,
    WeeklyStanding,
)
from progress_worker.http.api.windows import Range, Window, last_shown
from progress_worker.storage.read.views import Stamp, StreakView


def present_streak(view: StreakView, user_id: str, asked: Range, now: dt.datetime) -> StreakAnswer:
    """The streaks, and every day of the range. Raises ValueError if the range is too long."""
    stamp, streaks, policy = view.stamp, view.streaks, view.stamp.book.streak_policy
    today = stamp.clock.day_of(now)
    return StreakAnswer(
        user_id=user_id,
        timezone=stamp.clock.name,
        as_of=now,
        today=today,
        daily=_daily(streaks, policy, stamp.clock, today),
        weekly=_weekly(streaks, policy, today),
        consistency=Consistency(
            active_days=consistency(streaks.active, today), days=CONSISTENCY_DAYS
        ),
        days=_days(streaks, policy, today, asked.window(last_shown(stamp, now))),
    )


def streak_in_short(streaks: Streaks, stamp: Stamp, now: dt.datetime) -> Streak:
    """The streaks as they stand in the answer about a learner's progress."""
    policy, today = stamp.book.streak_policy, stamp.clock.day_of(now)
    read = read_daily(streaks, policy, today)
    return Streak(
        **_run(read, stamp.clock),
        freezes_left=read.freezes_left,
        next_freeze_in=read.next_freeze_in,
    )


def _daily(
    streaks: Streaks, policy: StreakPolicy, clock: LocalClock, today: dt.date
) -> DailyStanding:
    read = read_daily(streaks, policy, today)
    return DailyStanding(
        **_run(read, clock),
        freezes=FreezeMeter(
            left=read.freezes_left,
            cap=policy.cap,
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


def _weekly(streaks: Streaks, policy: StreakPolicy, today: dt.date) -> WeeklyStanding:
    read = read_weekly(streaks, policy, today)
    return WeeklyStanding(
        **read._asdict(),
        starts_on=WEEKDAYS[policy.week_starts_on],
        met=read.met,
        skipped=read.skipped,
    )


def _days(
    streaks: Streaks, policy: StreakPolicy, today: dt.date, window: Window
) -> list[DayOfStreak]:
    statuses = day_statuses(streaks, policy, today, window.first, window.last)
    return [
        DayOfStreak(date=day, status=status) for day, status in zip(window, statuses, strict=True)
    ]
