"""Excuses: days that the platform excused, so that they cannot break a learner's streak."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Literal, NamedTuple
from uuid import UUID

from progress_worker.domain.days import Days, union

ExcuseKind = Literal["pause", "sick", "travel", "repair", "other"]


class Excuse(NamedTuple):
    """One revision of an excuse; (user_id, excuse_id) is its identity. Both days are included."""

    user_id: str
    excuse_id: UUID
    revision: int
    revoked: bool
    issued_at: dt.datetime
    kind: ExcuseKind
    first_day: dt.date
    last_day: dt.date


def excused_days(excuses: Iterable[Excuse]) -> Days:
    """The days that a learner's excuses, each at its highest revision, excuse together."""
    runs = [
        (excuse.first_day.toordinal(), excuse.last_day.toordinal())
        for excuse in excuses
        if not excuse.revoked
    ]
    return Days(union(runs))
