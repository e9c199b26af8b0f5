"""When a learner's daily streak is lost, and what to say to a learner who can still save it."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from progress_worker.domain.calendar import DayStarts, LocalClock, is_zone
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from progress_worker.domain.streak_reading import expires_on, read_daily


class StreakWarning(NamedTuple):
    """A streak that is lost at `expires_at` (UTC) unless the learner does something before.

    `local_day` is the learner's present day. `length` counts active days, `freezes_left` whole
    freezes. `timezone` is the zone's name, or the offset like +02:00, or UTC.
    """

    user_id: str
    local_day: dt.date
    length: int
    freezes_left: int
    timezone: str
    expires_at: dt.datetime


def clock_of(state: LearnerState, starts: DayStarts) -> LocalClock:
    """The clock by which the learner's days are read now.

    That is UTC for a zone that this release does not know. `starts` are those of the active rule
    book.
    """
    hour = state.day_start[2] if state.day_start else None
    if state.zone is not None:
        return LocalClock(state.zone[2] if is_zone(state.zone[2]) else None, None, hour, starts)
    return LocalClock(None, state.offset[2] if state.offset else None, hour, starts)


def expires_at(book: RuleBook, state: LearnerState, clock: LocalClock) -> dt.datetime | None:
    """The end of the last local day on which an activity still saves the daily streak, in UTC.

    It follows from the facts alone, so it may be in the past. `book` is the learner's own. None
    without an active day, and for a learner who does not want to be disturbed, so that no warning
    is ever due.
    """
    if state.is_quiet:
        return None
    last = expires_on(state.streaks.daily(book.streak_policy))
    return None if last is None else clock.end_of(last)


def streak_warning(
    book: RuleBook, state: LearnerState, clock: LocalClock, now: dt.datetime
) -> StreakWarning | None:
    """What to say to the learner at this instant (aware) about the streak's end.

    None where nothing is to be said: there is no living streak, or the learner has been active on
    the present local day. Whoever has just practised is told the next day at the earliest.
    """
    expiry = expires_at(book, state, clock)
    today = clock.day_of(now)
    streak = read_daily(state.streaks, book.streak_policy, today)
    if expiry is None or expiry <= now or not streak.current or streak.state == "active_today":
        return None
    return StreakWarning(
        state.user_id, today, streak.current, streak.freezes_left, clock.name, expiry
    )
