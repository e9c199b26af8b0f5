"""Moves learners to the active rule book: derives each again and replaces what differs.

It runs beside live traffic. A learner is folded by the old rule book until the walk has moved them,
so nobody is unlocked twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Final

import structlog

from progress_worker.outbox.messages import Messages
from progress_worker.outbox.replacing import Replaced, derive_and_replace
from progress_worker.storage.database import Connection
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.learners import load_whole
from progress_worker.storage.write.walks import RULE_BOOK
from progress_worker.telemetry.metrics import Metrics
from progress_worker.walks.walk import Page, Step

_log = structlog.get_logger()

#: How long to wait after a pass that found nobody to move, before looking again.
_REST_SECONDS: Final = 3_600.0


class MoveToRuleBook:
    """Completes learners by the active rule book; unlocks that they earn by it are backdated."""

    name = RULE_BOOK
    derives = True
    #: A learner who was saved meanwhile is noticed by the version.
    snapshot = False

    def __init__(
        self,
        books: RuleBooks,
        messages: Messages,
        expiries: Expiries | None,
        metrics: Metrics,
        outbox_filled: asyncio.Event,
    ) -> None:
        """`outbox_filled` is set when a page has committed records for the outbox."""
        self._books = books
        self._messages = messages
        self._expiries = expiries
        self._metrics = metrics
        self._outbox_filled = outbox_filled
        self._replaced = Replaced([], [])

    @property
    def rule_book(self) -> int:
        """The active one's version."""
        return self._books.active.version

    def wants(self, _user_id: str, rule_book: int | None, /) -> bool:
        """Learners who are complete by another rule book, or by none."""
        return rule_book != self.rule_book

    async def work(self, connection: Connection, page: Page) -> int:
        """Derive and replace. Raises LearnerChangedError for a learner who was saved meanwhile."""
        stored = await load_whole(connection, self._books, set(page.users))
        self._replaced = await derive_and_replace(
            connection, self._books, self._messages, self._expiries, stored, newest=True
        )
        return len(stored)

    def committed(self) -> None:
        """Wake the relay, and count what the last page did."""
        self._outbox_filled.set()
        unlocks, losses = self._replaced
        for name, count in Counter(each.achievement.id for each in unlocks).items():
            self._metrics.unlocks.labels(name).inc(count)
        for loss in losses:
            self._metrics.losses.labels(loss.achievement.id, loss.reason).inc()
        self._replaced = Replaced([], [])


class MoveSchedule:
    """Pass after pass until one finds nobody to move; then an hour's rest, or the next book."""

    look_seconds = 1.0

    def __init__(self, books: RuleBooks) -> None:
        self._books = books
        self._version = 0
        self._worked = 0
        self._rests_by: int | None = None
        self._rests_until = 0.0

    async def is_due(self) -> bool:
        """Whether there may be learners to move."""
        self._version = self._books.active.version
        return self._version != self._rests_by or time.monotonic() >= self._rests_until

    def stepped(self, step: Step) -> None:
        """Rest after a pass without work. A book that came during its last step ends the rest."""
        self._worked += step.worked
        if not step.finished:
            return
        if self._worked:
            _log.info("learners_moved", rule_book=self._version, learners=self._worked)
        else:
            self._rests_by = self._version
            self._rests_until = time.monotonic() + _REST_SECONDS
        self._worked = 0
