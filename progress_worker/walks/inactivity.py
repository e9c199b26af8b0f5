"""Requests the erasure of learners who have done nothing for long.

It publishes the same command as anybody else does, so there is one way to erase. The request's
identity follows from the learner and the last day: one that is repeated before it is carried out
does nothing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.outbox.messages import Messages
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.write import inactive, outbox, walks
from progress_worker.walks.walk import Page, Step, Walk

_log = structlog.get_logger()

NAME: Final = "inactivity"
#: As many requests may wait in front of an unlock in the outbox.
PAGE_LEARNERS: Final = 500
_EVERY: Final = dt.timedelta(days=1)
Clock = Callable[[], dt.datetime]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class RequestErasures:
    """Puts a request into the outbox for every learner whose last day is so many days ago."""

    name = NAME
    derives = False
    snapshot = False
    rule_book = None

    def __init__(
        self, days: int, messages: Messages, outbox_filled: asyncio.Event, clock: Clock = _now
    ) -> None:
        self._age = dt.timedelta(days=days)
        self._messages = messages
        self._outbox_filled = outbox_filled
        self._clock = clock

    def wants(self, _user_id: str, _rule_book: int | None, /) -> bool:
        """Everybody is looked at."""
        return True

    async def work(self, connection: Connection, page: Page) -> int:
        """Request the erasure of the inactive learners of the page; returns how many they are."""
        if not page.users:
            return 0
        now = self._clock()
        found = await inactive.find(
            connection, page.users[0], page.users[-1], (now - self._age).date()
        )
        requests = [
            self._messages.inactivity_ended(each.user_id, each.ended, now) for each in found
        ]
        if requests:
            await outbox.add(connection, requests)
        return len(requests)

    def committed(self) -> None:
        """Wake the relay."""
        self._outbox_filled.set()


class DailySchedule:
    """One pass a day."""

    look_seconds = 20.0

    def __init__(self, engine: AsyncEngine, time_limit_seconds: float, clock: Clock = _now) -> None:
        self._engine = engine
        self._time_limit = time_limit_seconds
        self._clock = clock
        self._requested = 0

    async def is_due(self) -> bool:
        """Whether a pass is under way or has to begin. Raises what `connect_for` raises."""
        async with connect_for(self._engine, self._time_limit) as connection:
            state = await walks.find(connection, NAME)
        ended = state and state.finished_at
        return not ended or ended + _EVERY <= self._clock()

    def stepped(self, step: Step) -> None:
        """Log a pass that has ended."""
        self._requested += step.changed
        if step.finished:
            _log.info("inactive_learners_requested", learners=self._requested)
            self._requested = 0


def inactivity_walk(
    engine: AsyncEngine,
    messages: Messages,
    outbox_filled: asyncio.Event,
    days: int,
    time_limit_seconds: float,
) -> tuple[Walk, DailySchedule]:
    """The walk that requests erasures after so many days, and its schedule."""
    limit, passenger = time_limit_seconds, RequestErasures(days, messages, outbox_filled)
    return (
        Walk(engine, passenger, time_limit_seconds=limit, page_learners=PAGE_LEARNERS),
        DailySchedule(engine, limit),
    )
