"""A finished exercise as the rules see it."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple
from uuid import UUID

from progress_worker.domain.vocabulary import Difficulty


class Completion(NamedTuple):
    """One revision of one completion; (user_id, event_id) is its identity.

    `grade_hundredths` is the grade in percent times 100, or None when not graded. `completed_at` is
    in UTC; `local_day` is the learner's day at that moment. `utc_offset_minutes` is how far the
    learner's clock was ahead of UTC, and `local_day_hour` the hour of that clock at which the local
    day began. `day_starts_at` is that hour if the event named it. The first two are None for
    completions of a time when they were not stored; local days began at midnight then.
    """

    user_id: str
    event_id: UUID
    revision: int
    revoked: bool
    exercise_id: str
    topic: str
    difficulty: Difficulty
    grade_hundredths: int | None
    time_spent_seconds: int
    hints_used: int
    completed_at: dt.datetime
    timezone: str | None
    local_day: dt.date
    utc_offset_minutes: int | None = None
    day_starts_at: int | None = None
    cohort: str | None = None
    local_day_hour: int | None = None
