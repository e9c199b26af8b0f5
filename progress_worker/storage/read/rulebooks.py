"""The rule books by which the view presents learners, read from the database when needed."""

from __future__ import annotations

import time
from typing import Final

from progress_worker.domain.rulebook import RuleBook
from progress_worker.errors import FatalError, TransientError
from progress_worker.storage.read.connections import ReadConnections
from progress_worker.storage.read.statements import NEWEST_RULE_BOOK, RULE_BOOK
from progress_worker.storage.rulebooks import RuleBooks

#: After this time the view asks again which rule book is active.
_FRESH_SECONDS: Final = 5.0


class ViewRuleBooks:
    """Finds a learner's rule book. While the database has none, the view's own is active."""

    def __init__(self, connections: ReadConnections, configured: RuleBook) -> None:
        self._connections = connections
        self._books = RuleBooks(configured)
        self._looked_at = float("-inf")

    async def of(self, version: int | None) -> RuleBook:
        """The rule book of that version, or the active one for None.

        Raises TransientError when Postgres does not answer, and when only a newer release can read
        the rule book.
        """
        if version is None:
            await self._refresh()
        elif version not in self._books.by_version:
            await self._read(version)
        return self._books.by_version[version]

    async def find(self, version: int) -> RuleBook | None:
        """The rule book of that version; None if the database does not have it.

        Raises what `of` raises.
        """
        known = version in self._books.by_version
        if not known and await self._connections.one(RULE_BOOK, version=version) is None:
            return None
        return await self.of(version)

    async def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _FRESH_SECONDS:
            return
        row = await self._connections.one(NEWEST_RULE_BOOK)
        if row is not None and row.version is not None:
            if row.version not in self._books.by_version:
                await self._read(row.version)
            self._books.activate(row.version)
        self._looked_at = now

    async def _read(self, version: int) -> None:
        row = await self._connections.one(RULE_BOOK, version=version)
        if row is None:
            raise TransientError(f"The database has no rule book {version}.")
        try:
            self._books.add(version, row.content)
        except FatalError as error:
            raise TransientError(str(error)) from error
