"""What every command that changes a learner is carried out with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.errors import TransientError
from progress_worker.outbox.messages import Messages
from progress_worker.storage.database import Connection
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.expiries import Expiries
from progress_worker.storage.write.histories import connect_for_histories


@dataclass(frozen=True, slots=True)
class CommandParts:
    """The database, the rule books, and what a save needs; the time limit without completions.

    `outbox_filled` is set when a command has committed records for the outbox.
    """

    engine: AsyncEngine
    books: RuleBooks
    messages: Messages
    expiries: Expiries | None
    erasures: Erasures
    outbox_filled: asyncio.Event
    time_limit_seconds: float

    @asynccontextmanager
    async def open(self, user_id: str) -> AsyncIterator[Connection]:
        """A connection for work on all facts of a learner, as one transaction.

        Raises TransientError until the active rule book is known, and what `connect_for_histories`
        raises.
        """
        if not self.books.settled:
            raise TransientError("The rule books in the database have not been read yet.")
        limit = self.time_limit_seconds
        async with connect_for_histories(self.engine, [user_id], limit) as connection:
            yield connection
