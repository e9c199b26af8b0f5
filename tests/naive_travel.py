"""The excused days of a learner, counted again from all facts by the words of the rules.

It shares only the classes of facts with the worker's rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

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


def highest(excuses: Iterable[Excuse]) -> list[Excuse]:
    """Each excuse of a learner at its highest revision, the first of equal ones."""
    found: dict[object, Excuse] = {}
    for excuse in excuses:
        known = found.get(excuse.excuse_id)
        if known is None or excuse.revision > known.revision:
            found[excuse.excuse_id] = excuse
    return list(found.values())


def excused_by(excuses: Iterable[Excuse]) -> frozenset[dt.date]:
    """The days of the excuses, each at its highest revision."""
    days = set()
    for excuse in highest(excuses):
        day = excuse.first_day
        while not excuse.revoked and day <= excuse.last_day:
            days.add(day)
            day += _DAY
    return frozenset(days)


def travel_days(done: Sequence[Completion]) -> set[dt.date]:
    """The days that are excused, since the learner's clock was moved on over them."""
    days = {c.local_day for c in done}
    missed = {day + _DAY for day in days if day + _DAY not in days and day + 2 * _DAY in days}
    # Few days are missed, and this is asked after every event.
    beside = {day: [c for c in done if abs(c.local_day - day) == _DAY] for day in missed}
    return {
        day
        for day in missed
        for first in beside[day]
        for second in beside[day]
        if first.local_day < second.local_day and _proves(first, second, day)
    }


def _proves(first: Completion, second: Completion, between: dt.date) -> bool:
    """Whether these completions, of the days beside it, excuse the day between them."""
    before, after = _ahead(first), _ahead(second)
    return (
        before is not None
        and after is not None
        and after - before >= _TWO_HOURS
        and (second.completed_at + before).date() <= between
    )


def _ahead(c: Completion) -> dt.timedelta | None:
    """How far the learner's days were ahead of days in UTC; None where nobody knows."""
    if c.utc_offset_minutes is not None:
        return dt.timedelta(minutes=c.utc_offset_minutes, hours=-(c.local_day_hour or 0))
    if c.timezone is None:
        return None
    offset = c.completed_at.astimezone(ZoneInfo(c.timezone)).utcoffset()
    assert offset is not None
    return offset - dt.timedelta(hours=c.local_day_hour or 0)
