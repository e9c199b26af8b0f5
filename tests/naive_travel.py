"""The excused days of a learner, counted again from all facts by the words of the rules.

It shares only the classes of facts with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse

_DAY = dt.timedelta(days=1)
_TWO_HOURS = dt.timedelta(hours=2)


class NaivePolicy(NamedTuple):
    """The streak policy, and the days that are excused for the learner or for everybody."""

    cap: int = 0
    earn_every: int = 1
    week_starts_on: int = 0
    week_days: int = 1
    excused: frozenset[dt.date] = frozenset()


def excused_by(excuses: Iterable[Excuse]) -> frozenset[dt.date]:
    """The days of the excuses, each at its highest revision, the first of equal ones."""
    highest: dict[object, Excuse] = {}
    for excuse in excuses:
        known = highest.get(excuse.excuse_id)
        if known is None or excuse.revision > known.revision:
            highest[excuse.excuse_id] = excuse
    days = set()
    for excuse in highest.values():
        day = excuse.first_day
        while not excuse.revoked and day <= excuse.last_day:
            days.add(day)
            day += _DAY
    return frozenset(days)


def travel_days(done: Sequence[Completion]) -> set[dt.date]:
    """The days that are excused, since the learner's clock was moved on over them."""
    active = {c.local_day for c in done}
    return {
        first.local_day + _DAY
        for first in done
        for second in done
        if second.local_day == first.local_day + 2 * _DAY
        and first.local_day + _DAY not in active
        and _ahead(second) - _ahead(first) >= _TWO_HOURS
        and (second.completed_at + _ahead(first)).date() <= first.local_day + _DAY
    }


def _ahead(c: Completion) -> dt.timedelta:
    """How far the learner's days were ahead of days in UTC."""
    assert c.utc_offset_minutes is not None
    return dt.timedelta(minutes=c.utc_offset_minutes, hours=-(c.local_day_hour or 0))
