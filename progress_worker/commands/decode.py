"""Turns the data of a command into a fact, or says why it is none."""

from __future__ import annotations

import datetime as dt

from progress_worker.commands.erasing import Erasure
from progress_worker.domain.excuses import Excuse
from progress_worker.domain.preferences import Goal, Preference
from progress_worker.events.commands import (
    LearnerErasureRequested,
    LearnerPreferencesSet,
    StreakDaysExcused,
)
from progress_worker.events.decoding import utc_within


def erasure_of(
    event: LearnerErasureRequested, now: dt.datetime, max_future_seconds: float
) -> Erasure:
    """The request; `now` is aware. Raises PoisonError for one further in the future."""
    requested_at = utc_within(event.requested_at, "requested_at", now, max_future_seconds)
    return Erasure(event.user_id, event.erasure_id, requested_at)


def excuse_of(event: StreakDaysExcused, now: dt.datetime, max_future_seconds: float) -> Excuse:
    """The excuse; `now` is aware. Raises PoisonError for one issued further in the future."""
    issued_at = utc_within(event.issued_at, "issued_at", now, max_future_seconds)
    return Excuse(
        event.user_id,
        event.excuse_id,
        event.revision,
        event.revoked,
        issued_at,
        event.kind,
        event.first_day,
        event.last_day,
    )


def preference_of(
    event: LearnerPreferencesSet, now: dt.datetime, max_future_seconds: float
) -> Preference:
    """The preference; `now` is aware. Raises PoisonError for one issued further in the future."""
    goal = event.goal
    return Preference(
        event.revision,
        utc_within(event.issued_at, "issued_at", now, max_future_seconds),
        event.boards,
        event.display_name,
        event.gamification,
        None if goal is None else Goal(goal.measure, goal.target, goal.by),
    )
