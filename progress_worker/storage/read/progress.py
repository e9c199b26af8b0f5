"""Reads what the HTTP view answers of one learner, each in a single statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import ClauseElement

from progress_worker.storage.read.connections import ReadConnections
from progress_worker.storage.read.decoding import (
    history_view,
    is_zone_known,
    learner_view,
    page_view,
    preferences_view,
    stamp_of,
    statistics_view,
    stored_row,
    streak_view,
    topic_view,
)
from progress_worker.storage.read.rulebooks import ViewRuleBooks
from progress_worker.storage.read.statements import (
    HISTORY,
    LEARNER_AND_DAYS,
    LEARNER_STATE,
    PREFERENCES,
    READY,
    STAMP,
    STATISTICS,
    STREAK,
    TOPIC,
)
from progress_worker.storage.read.views import (
    HistoryView,
    LearnerView,
    PageView,
    PreferencesView,
    Stamp,
    StatisticsView,
    StoredRow,
    StreakView,
    TopicView,
)

_View = TypeVar("_View")


class ProgressReads:
    """The view's reads, one round trip each; they give answers for unknown learners too.

    Every method raises TransientError when Postgres does not answer in time. `unknown_zone` is
    called with the zone of a learner that was read, when this release does not know that zone.
    """

    def __init__(
        self,
        connections: ReadConnections,
        books: ViewRuleBooks,
        unknown_zone: Callable[[str], None],
    ) -> None:
        self._connections = connections
        self._books = books
        self._unknown_zone = unknown_zone

    async def ready(self) -> None:
        """Return when the tables can be read; raises TransientError when they are missing too."""
        await self._connections.one(READY)

    async def stamp(self, user_id: str) -> Stamp:
        """What the learner's answers depend on."""
        return await stamp_of(self._books, await self._one(STAMP, user_id))

    async def learner(self, user_id: str) -> StoredRow[LearnerView]:
        """The learner's state without days."""
        row = await self._one(LEARNER_STATE, user_id)
        return await self._stored(row, partial(learner_view, user_id, row))

    async def topic(self, user_id: str, topic: str) -> StoredRow[TopicView]:
        """The learner's sums and level in one topic."""
        row = await self._one(TOPIC, user_id, topic=topic)
        return await self._stored(row, partial(topic_view, topic, row))

    async def page(self, user_id: str, first: dt.date, last: dt.date) -> StoredRow[PageView]:
        """The learner's state, and sums per day from `first` to `last`, both included."""
        row = await self._one(LEARNER_AND_DAYS, user_id, first_day=first, last_day=last)
        return await self._stored(row, partial(page_view, user_id, row))

    async def statistics(
        self, user_id: str, first: dt.date, last: dt.date
    ) -> StoredRow[StatisticsView]:
        """Sums over all days and per day from `first` to `last`, both included."""
        row = await self._one(STATISTICS, user_id, first_day=first, last_day=last)
        return await self._stored(row, partial(statistics_view, row))

    async def history(self, user_id: str, first: dt.date, last: dt.date) -> StoredRow[HistoryView]:
        """Sums per day from `first` to `last`, both included, and what came before."""
        row = await self._one(HISTORY, user_id, first_day=first, last_day=last)
        return await self._stored(row, partial(history_view, row))

    async def preferences(self, user_id: str) -> StoredRow[PreferencesView]:
        """What the learner prefers."""
        row = await self._one(PREFERENCES, user_id)
        return await self._stored(row, partial(preferences_view, row))

    async def streak(self, user_id: str, first: dt.date) -> StoredRow[StreakView]:
        """The learner's active and excused days, and the goal, for a week from `first` or later."""
        row = await self._one(STREAK, user_id, first_day=first)
        return await self._stored(row, partial(streak_view, row))

    async def _stored(self, row: Any, decode: Callable[[Stamp], _View]) -> StoredRow[_View]:
        return stored_row(row, await stamp_of(self._books, row), decode)

    async def _one(self, statement: ClauseElement, user_id: str, **parameters: object) -> Any:
        row = await self._connections.one(statement, user_id=user_id, **parameters)
        if row is not None and not is_zone_known(row):
            self._unknown_zone(row.timezone)
        return row
