"""Compares a learner as stored with the learner as derived.

It does not compare what the order of arrival decides: what triggered an unlock, the level before
the present one, and unlocks that are kept though their rule no longer holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from progress_worker.domain.days import Days
from progress_worker.domain.derive import Derived
from progress_worker.domain.occurrences import unlock_name
from progress_worker.domain.state import LearnerState
from progress_worker.domain.totals import SUMS, Totals

#: The parts of a learner's clock, and what they are called in a difference.
_CLOCK: Final = {"zone": "timezone", "offset": "UTC offset", "day_start": "start of the day"}


class Difference(NamedTuple):
    """A value that is stored differently from how it is derived; None means that it is missing."""

    user_id: str
    part: str
    key: str
    stored: Any
    derived: Any

    def __str__(self) -> str:
        what = f"{self.part} {self.key}".strip()
        return f"{self.user_id}: {what} is {self.stored}, derived is {self.derived}"


def compare(stored: LearnerState, derived: Derived) -> Iterator[Difference]:
    """Every difference between a learner as stored, with every day, and as derived.

    A stored unlock that is not derived is no difference, because unlocks are kept. Where
    completions were deleted, only what follows from the remaining ones is compared.
    """
    state, user_id = derived.state, stored.user_id
    for part in ("active", "excused", "travelled"):
        was, now = getattr(stored.streaks, part), getattr(state.streaks, part)
        if was != now:
            yield Difference(user_id, f"{part} days", "", _days(was), _days(now))
    for part, name in _CLOCK.items():
        if getattr(stored, part) != getattr(state, part):
            yield Difference(user_id, name, "", getattr(stored, part), getattr(state, part))
    for cell in sorted(stored.totals.keys() | state.totals.keys()):
        sums = stored.totals.get(cell), state.totals.get(cell)
        yield from _sums(user_id, "total", " ".join(cell), *sums)
    for day in sorted(stored.days.keys() | state.days.keys()):
        cells, others = stored.days.get(day, {}), state.days.get(day, {})
        for cell in sorted(cells.keys() | others.keys()):
            key = " ".join((day.isoformat(), *cell))
            yield from _sums(user_id, "day", key, cells.get(cell), others.get(cell))
    yield from _levels(stored, state)
    for key in sorted(stored.counters.keys() | state.counters.keys()):
        counts = stored.counters.get(key), state.counters.get(key)
        if counts[0] != counts[1]:
            yield Difference(user_id, "counter", key, *counts)
    yield from _buckets(stored, state)
    for name in sorted(state.unlocked - stored.unlocked):
        yield Difference(user_id, "unlock", name, None, "earned")
    for loss in derived.losses:
        name = unlock_name(loss.achievement.id, loss.occurrence)
        yield Difference(user_id, "unlock", name, "held", None)


def _buckets(stored: LearnerState, state: LearnerState) -> Iterator[Difference]:
    for key in sorted(stored.buckets.keys() | state.buckets.keys()):
        was, now = stored.buckets.get(key, {}), state.buckets.get(key, {})
        for name in sorted(was.keys() | now.keys()):
            if was.get(name, 0) != now.get(name, 0):
                shown = was.get(name, 0), now.get(name, 0)
                yield Difference(stored.user_id, "bucket", f"{key} {name}", *shown)


def _levels(stored: LearnerState, state: LearnerState) -> Iterator[Difference]:
    for topic in sorted(stored.levels.keys() | state.levels.keys()):
        before, after = stored.level(topic).level, state.level(topic).level
        if before != after:
            yield Difference(stored.user_id, "level", topic, before, after)


def _sums(
    user_id: str, part: str, key: str, stored: Totals | None, derived: Totals | None
) -> Iterator[Difference]:
    """The sums that differ, by name; a row of zeros is the same as no row."""
    was, now = (sums or Totals() for sums in (stored, derived))
    if was != now:
        shown = (dict(zip(SUMS, sums.numbers(), strict=True)) for sums in (was, now))
        yield Difference(user_id, part, key, *shown)


def _days(days: Days) -> list[str]:
    return [
        f"{dt.date.fromordinal(first)}/{dt.date.fromordinal(last)}" for first, last in days.runs
    ]
