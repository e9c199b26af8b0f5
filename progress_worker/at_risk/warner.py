"""Publishes a warning to each learner whose streak is lost within some hours.

A page is one transaction: it claims expiries that are due, reads those learners, decides by the
rules, marks and writes the messages to the outbox. It raises no learner's version.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.expiry import StreakWarning, clock_of, streak_warning
from progress_worker.domain.state import LearnerState
from progress_worker.outbox.messages import Messages
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import outbox
from progress_worker.storage.write.expiries import (
    NO_EXPIRY,
    Claim,
    Expiries,
    ExpiryRow,
    Window,
    claim,
    due,
    settle,
)
from progress_worker.storage.write.learners import load_streaks

_PAGE_LEARNERS: Final = 500


class Page(NamedTuple):
    """What was done with one page.

    `warned` learners got a warning. Those in `left` are due and stay so, because they were warned
    or active today. `full` says that more may be due.
    """

    warned: int
    left: Sequence[str]
    full: bool


class Warner:
    """Finds the learners and warns them, page by page."""

    def __init__(
        self,
        engine: AsyncEngine,
        books: RuleBooks,
        expiries: Expiries,
        messages: Messages,
        *,
        hours: int,
        outbox_filled: asyncio.Event,
        time_limit_seconds: float,
        page_learners: int = _PAGE_LEARNERS,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """`outbox_filled` is set when a page has committed warnings."""
        self._engine = engine
        self._books = books
        self._expiries = expiries
        self._messages = messages
        self._ahead = dt.timedelta(hours=hours)
        self._outbox_filled = outbox_filled
        self._time_limit = time_limit_seconds
        self._page_learners = page_learners
        self._clock = clock

    async def warn(self, without: Collection[str] = ()) -> Page:
        """Do the next page of those who are due; learners in `without` are left out.

        Raises what `connect_for` raises; then nothing of the page is done.
        """
        now = self._clock()
        window = Window(now, now + self._ahead)
        decisions: list[_Decision] = []
        async with connect_for(self._engine, self._time_limit) as connection:
            users = await due(connection, window, without, limit=self._page_learners)
            if users:
                decisions = await self._decide(connection, await claim(connection, users, window))
                await settle(connection, [decision.row for decision in decisions])
            await connection.commit()
        warned = sum(decision.warning is not None for decision in decisions)
        if warned:
            self._outbox_filled.set()
        left = [decision.row.user_id for decision in decisions if decision.left]
        return Page(warned, left, full=len(users) == self._page_learners)

    async def _decide(self, connection: Connection, claims: Sequence[Claim]) -> list[_Decision]:
        """Read the claimed learners, and write the messages to those who are warned."""
        states = await load_streaks(connection, self._books, [each.user_id for each in claims])
        now = self._clock()  # the claim may have waited
        decisions = [self._judge(each, states.get(each.user_id), now) for each in claims]
        records = [
            self._messages.streak_at_risk(decision.warning, now)
            for decision in decisions
            if decision.warning is not None
        ]
        await outbox.add(connection, records)
        return decisions

    def _judge(self, claimed: Claim, state: LearnerState | None, now: dt.datetime) -> _Decision:
        user_id, expiry, warned_on = claimed
        found = NO_EXPIRY if state is None else self._expiries.of(state)
        if state is None or found != expiry:
            # An older release, or a worker without warnings, saved the learner last.
            return _Decision(ExpiryRow(user_id, found, None, warned_on))
        book = self._books.by_version[state.rule_book]
        clock = clock_of(state, self._books.active.day_starts)
        warning = streak_warning(book, state, clock, now)
        if warning is None or (warned_on is not None and warned_on >= warning.local_day):
            return _Decision(ExpiryRow(user_id, expiry, None, warned_on), left=True)
        return _Decision(ExpiryRow(user_id, expiry, expiry, warning.local_day), warning)


class _Decision(NamedTuple):
    """What is stored of a claimed expiry, and what is published."""

    row: ExpiryRow
    warning: StreakWarning | None = None
    left: bool = False
