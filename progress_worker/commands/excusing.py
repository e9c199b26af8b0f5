"""Stores an excuse and applies it to the learner's streaks, by the learner's rule book.

It is one transaction under the same version check as a batch, so it may be the learner's first
fact, beside a first completion on another worker. Unlocks that hold now are added as backdated:
each names the completion that, in order of work, first meets its rule. Without an excuse that was
taken back, unlocks may be lost.
"""

from __future__ import annotations

import structlog

from progress_worker.commands.parts import CommandParts
from progress_worker.domain.days import Days
from progress_worker.domain.excuses import Excuse, excused_days
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.revisions import supersedes
from progress_worker.domain.rules import DAYS_BIT
from progress_worker.domain.state import LearnerState
from progress_worker.outbox.replacing import derive_and_replace
from progress_worker.storage.database import Connection
from progress_worker.storage.write.excuses import load_excuses, store_excuse
from progress_worker.storage.write.learners import load_whole
from progress_worker.storage.write.saving import Changes, save

_log = structlog.get_logger()


class Excusing:
    """Applies excuses on request."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts

    async def excuse(self, excuse: Excuse) -> list[Unlock]:
        """Return the unlocks that were added; nothing changes for a revision that is not higher.

        Nor does it for an excuse that was issued before the learner was erased.

        Raises TransientError, PoisonError and FatalError as a batch does.
        """
        books, users = self._parts.books, [excuse.user_id]
        async with self._parts.open(excuse.user_id) as connection:
            # The version is read before the excuses: one that was committed by then is seen, and a
            # later one makes the save fail.
            whole = await load_whole(connection, books, set(users))
            state = whole.get(excuse.user_id) or self._parts.books.active.new_learner(
                excuse.user_id
            )
            await self._parts.erasures.recall(connection, [state])
            if state.is_erased(excuse.issued_at):
                return []
            excuses = (await load_excuses(connection, users))[excuse.user_id]
            known = {other.excuse_id: other for other in excuses}
            stored = known.get(excuse.excuse_id)
            if stored is not None and not supersedes(excuse.revision, stored.revision):
                return []
            known[excuse.excuse_id] = excuse
            unlocks = await self._write(connection, excuse, state, excused_days(known.values()))
            await connection.commit()
        self._parts.outbox_filled.set()
        _log.info("days_excused", kind=excuse.kind, revoked=excuse.revoked, unlocks=len(unlocks))
        return unlocks

    async def _write(
        self, connection: Connection, excuse: Excuse, state: LearnerState, excused: Days
    ) -> list[Unlock]:
        await store_excuse(connection, excuse)
        before = state.streaks.excused
        state.streaks.set_excused(excused)
        book = self._parts.books.by_version[state.rule_book]
        if book.index.due(state, DAYS_BIT) or book.withdrawable.fails(state):
            state.streaks.set_excused(before)  # as stored: what differs from it is saved
            replaced = await derive_and_replace(
                connection,
                self._parts.books,
                self._parts.messages,
                self._parts.expiries,
                {state.user_id: state},
                newest=False,
                reason="revoked" if excuse.revoked else "revised",
            )
            return replaced.unlocks
        state.dirty.changed = state.dirty.excused_days = state.dirty.expiry = True
        changes = Changes([state])
        await save(
            connection, changes, expiries=self._parts.expiries, erasures=self._parts.erasures
        )
        return []
