"""Erases a learner: everything up to the instant of the request, and all that follows from it.

It is one transaction. It locks the learner's row first, so whoever saves the learner meanwhile
fails and loads again. What is left, usually nothing, is derived again. What arrives later and was
done before the request is counted as erased and not stored.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple
from uuid import UUID

import structlog

from progress_worker.commands.parts import CommandParts
from progress_worker.domain.derive import replacement
from progress_worker.domain.state import LearnerState
from progress_worker.errors import PoisonError, Reason
from progress_worker.storage.database import Connection
from progress_worker.storage.write import erasing, outbox, walks
from progress_worker.storage.write.erasures import Receipt, is_done, write_receipt
from progress_worker.storage.write.histories import derive
from progress_worker.storage.write.saving import Changes, save

_log = structlog.get_logger()


class Erasure(NamedTuple):
    """A request to erase a learner; `requested_at` is aware."""

    user_id: str
    erasure_id: UUID
    requested_at: dt.datetime


class Erasing:
    """Erases learners on request."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts

    async def erase(self, erasure: Erasure) -> Receipt | None:
        """Return the receipt; None if the erasure was done before.

        Raises TransientError, PoisonError and FatalError as a batch does.
        """
        if not self._parts.erasures.is_configured:
            raise PoisonError(
                Reason.ERASURE_NOT_CONFIGURED, "no learner can be erased without a pepper"
            )
        async with self._parts.open(erasure.user_id) as connection:
            locked = await erasing.lock(connection, erasure.user_id)
            if await is_done(connection, erasure.erasure_id):
                await connection.rollback()
                return None
            receipt = await self._erase(connection, erasure, locked)
            await connection.commit()
        self._parts.outbox_filled.set()
        _log.info("learner_erased", erasure_id=str(receipt.erasure_id), **receipt.deleted)
        return receipt

    async def _erase(
        self, connection: Connection, erasure: Erasure, locked: erasing.LockedLearner
    ) -> Receipt:
        user_id = erasure.user_id
        known = await self._parts.erasures.barriers(connection, [user_id])
        barrier = max([erasure.requested_at, *known.values(), *_given(locked.erased_until)])
        await self._parts.erasures.add(connection, user_id, barrier, erasure.erasure_id)
        deleted = await erasing.delete(connection, user_id, barrier)
        left = await erasing.remove_or_reset(connection, user_id, barrier, locked.rule_book)
        if left is not None:
            await self._derive(connection, left)
        receipt = Receipt(erasure.erasure_id, barrier, deleted)
        await walks.leave(connection, user_id)
        await write_receipt(connection, receipt)
        erased_at = dt.datetime.now(dt.UTC)
        record = self._parts.messages.erased(user_id, erasure.erasure_id, erased_at)
        await outbox.add(connection, [record])
        return receipt

    async def _derive(self, connection: Connection, left: LearnerState) -> None:
        """Save what follows from the facts that are left. What was published is not repeated."""
        async for stored, derived in derive(connection, self._parts.books, {left.user_id: left}):
            state, unlocks = replacement(stored, derived)
            changes = Changes([state], unlocks=unlocks)
            await save(connection, changes, expiries=self._parts.expiries)


def _given(instant: dt.datetime | None) -> list[dt.datetime]:
    return [] if instant is None else [instant]
