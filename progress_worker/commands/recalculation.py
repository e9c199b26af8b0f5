"""Derives one learner's progress again from the stored completions, by the learner's rule book.

What differs is replaced. Unlocks that are earned now are added as backdated. None is taken away
but those of achievements with `revocation: withdraw` whose rule does not hold. It is one
transaction under the same version check as a batch.
"""

from __future__ import annotations

import structlog

from progress_worker.commands.parts import CommandParts
from progress_worker.domain.reducer import Unlock
from progress_worker.errors import PoisonError, Reason
from progress_worker.outbox.replacing import derive_and_replace
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.write.learners import load_whole

_log = structlog.get_logger()


class Recalculation:
    """Recalculates learners on request."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts

    async def recalculate(self, user_id: str, topic: str | None = None) -> list[Unlock]:
        """Return the unlocks that were added. With `topic`, other topics keep their levels.

        Raises TransientError, PoisonError and FatalError as a batch does. A learner who was never
        seen is left alone. A learner whose old completions were deleted is refused, because sums
        would be lost. The time limit grows with the number of completions, and other tasks run
        meanwhile.
        """
        async with self._parts.open(user_id) as connection:
            unlocks = await self._write(connection, user_id, topic)
            await connection.commit()
        self._parts.outbox_filled.set()
        _log.info("recalculated", unlocks=len(unlocks))
        return unlocks

    async def check_database(self) -> None:
        """Raises TransientError unless Postgres answers within the time limit."""
        async with connect_for(self._parts.engine, self._parts.time_limit_seconds) as connection:
            await connection.execute("SELECT")

    async def _write(self, connection: Connection, user_id: str, topic: str | None) -> list[Unlock]:
        stored = await load_whole(connection, self._parts.books, {user_id})
        if not stored:
            return []
        if stored[user_id].kept_from is not None:
            raise PoisonError(
                Reason.BEYOND_RETENTION,
                "the learner's sums hold completions that were deleted",
            )
        replaced = await derive_and_replace(
            connection,
            self._parts.books,
            self._parts.messages,
            self._parts.expiries,
            stored,
            newest=False,
            only_topic=topic,
        )
        return replaced.unlocks
