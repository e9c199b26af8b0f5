"""Moves learners to the active rule book: derives each again and replaces what differs.

It runs beside live traffic. A learner is folded by the old rule book until the walk has moved them,
so nobody is unlocked twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from progress_worker.outbox.messages import Messages
from progress_worker.outbox.replacing import Replaced, derive_and_replace
from progress_worker.storage.database import Connection
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.learners import load_whole
from progress_worker.storage.write.walks import RULE_BOOK
from progress_worker.telemetry.metrics import Metrics


class MoveToRuleBook:
    """Completes learners by the active rule book; unlocks that they earn by it are backdated."""

    name = RULE_BOOK
    #: A learner who was saved meanwhile is noticed by the version.
    snapshot = False

    def __init__(
        self, books: RuleBooks, messages: Messages, expiries: Expiries | None, metrics: Metrics
    ) -> None:
        self._books = books
        self._messages = messages
        self._expiries = expiries
        self._metrics = metrics
        self._replaced = Replaced([], [])

    @property
    def rule_book(self) -> int:
        """The active one's version."""
        return self._books.active.version

    def wants(self, _user_id: str, rule_book: int | None, /) -> bool:
        """Learners who are complete by another rule book, or by none."""
        return rule_book != self.rule_book

    async def work(self, connection: Connection, users: Sequence[str]) -> int:
        """Derive and replace. Raises LearnerChangedError for a learner who was saved meanwhile."""
        stored = await load_whole(connection, self._books, set(users))
        self._replaced = await derive_and_replace(
            connection, self._books, self._messages, self._expiries, stored, newest=True
        )
        return len(stored)

    def committed(self) -> None:
        """Count what the last page did."""
        unlocks, losses = self._replaced
        for name, count in Counter(each.achievement.id for each in unlocks).items():
            self._metrics.unlocks.labels(name).inc(count)
        for loss in losses:
            self._metrics.losses.labels(loss.achievement.id, loss.reason).inc()
        self._replaced = Replaced([], [])
