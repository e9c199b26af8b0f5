"""What the HTTP view reads of one learner, each in a single statement."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy.exc import ProgrammingError

from progress_worker.domain.state import Cell, LearnerState, SkillLevel
from progress_worker.domain.streaks import ActiveDays
from progress_worker.domain.totals import Totals
from progress_worker.errors import TransientError
from progress_worker.storage.active_days import read_runs
from progress_worker.storage.view_connections import ReadConnections
from progress_worker.storage.view_statements import (
    HISTORY,
    LEARNER,
    LEARNER_AND_DAYS,
    READY,
    STAMP,
    STATISTICS,
)


class Stamp(NamedTuple):
    """What a learner's answers depend on: every change raises the version."""

    version: int = 0
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class LearnerView:
    """A learner's state, as the rules read it, and when each achievement was unlocked."""

    stamp: Stamp
    state: LearnerState
    unlocks: dict[str, dt.datetime]


@dataclass(frozen=True, slots=True)
class PageView:
    """A learner's state, and sums per day of the window that was asked for, from one moment."""

    learner: LearnerView
    days: dict[dt.date, Totals]


@dataclass(frozen=True, slots=True)
class StatisticsView:
    """Sums over all days, and per day of the window that was asked for."""

    stamp: Stamp
    totals: dict[Cell, Totals]
    days: dict[dt.date, dict[Cell, Totals]]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """Sums per day of the window, the sums before it, and every unlock's local day."""

    stamp: Stamp
    active_days: ActiveDays
    before: Totals
    days: dict[dt.date, Totals]
    unlocks: dict[str, dt.date]


class ProgressReads:
    """The view's reads; each is one round trip and answers for learners never seen too.

    Every method raises TransientError when Postgres does not answer in time.
    """

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    async def ready(self) -> None:
        """Return when the tables can be read; raises TransientError when they are missing too."""
        try:
            await self._connections.one(READY)
        except ProgrammingError as error:
            raise TransientError("The view's tables are missing or may not be read.") from error

    async def stamp(self, user_id: str) -> Stamp:
        """What the learner's answers depend on."""
        row = await self._connections.one(STAMP, user_id=user_id)
        return _stamp(row)

    async def learner(self, user_id: str) -> LearnerView:
        """The learner's state without days."""
        row = await self._connections.one(LEARNER, user_id=user_id)
        return learner_view(user_id, row)

    async def page(self, user_id: str, first: dt.date, last: dt.date) -> PageView:
        """The learner's state, and sums per day from `first` to `last`, both included."""
        row = await self._connections.one(
            LEARNER_AND_DAYS, user_id=user_id, first_day=first, last_day=last
        )
        return PageView(learner_view(user_id, row), _day_totals(row and row.days))

    async def statistics(self, user_id: str, first: dt.date, last: dt.date) -> StatisticsView:
        """Sums over all days and per day from `first` to `last`, both included."""
        row = await self._connections.one(
            STATISTICS, user_id=user_id, first_day=first, last_day=last
        )
        return statistics_view(row)

    async def history(self, user_id: str, first: dt.date, last: dt.date) -> HistoryView:
        """Sums per day from `first` to `last`, both included, and what came before."""
        row = await self._connections.one(HISTORY, user_id=user_id, first_day=first, last_day=last)
        return history_view(row)


def learner_view(user_id: str, row: Any) -> LearnerView:
    """Decode a row of LEARNER; without one, the view of a learner never seen."""
    if row is None:
        return LearnerView(Stamp(), LearnerState(user_id, counters=defaultdict(int)), {})
    state = LearnerState(
        user_id,
        version=row.version,
        active_days=ActiveDays(read_runs(row.active_days)),
        # A filter of a catalogue newer than the learner's last event has no counter yet.
        counters=defaultdict(int, row.counters),
        totals=_totals(row.totals),
        levels={
            topic: SkillLevel(level, previous, dt.datetime.fromisoformat(updated_at))
            for topic, level, previous, updated_at in row.levels or ()
        },
        unlocked={name for name, _ in row.unlocks or ()},
    )
    unlocks = {name: dt.datetime.fromisoformat(at) for name, at in row.unlocks or ()}
    return LearnerView(_stamp(row), state, unlocks)


def statistics_view(row: Any) -> StatisticsView:
    """Decode a row of STATISTICS; without one, the view of a learner never seen."""
    days: defaultdict[dt.date, dict[Cell, Totals]] = defaultdict(dict)
    for day, topic, difficulty, *sums in (row and row.days) or ():
        days[dt.date.fromisoformat(day)][topic, difficulty] = Totals(*sums)
    return StatisticsView(_stamp(row), _totals(row and row.totals), days)


def history_view(row: Any) -> HistoryView:
    """Decode a row of HISTORY; without one, the view of a learner never seen."""
    if row is None:
        return HistoryView(Stamp(), ActiveDays(), Totals(), {}, {})
    return HistoryView(
        _stamp(row),
        ActiveDays(read_runs(row.active_days)),
        Totals(*row.before),
        _day_totals(row.days),
        {name: dt.date.fromisoformat(day) for name, day in row.unlocks or ()},
    )


def _stamp(row: Any) -> Stamp:
    return Stamp(row.version, row.timezone) if row else Stamp()


def _totals(rows: Any) -> dict[Cell, Totals]:
    return {(topic, level): Totals(*sums) for topic, level, *sums in rows or ()}


def _day_totals(rows: Any) -> dict[dt.date, Totals]:
    return {dt.date.fromisoformat(day): Totals(*sums) for day, *sums in rows or ()}
