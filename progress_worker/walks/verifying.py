"""Compares learners as they are stored with what their completions lead to; changes nothing."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from progress_worker.domain.compare import Difference, compare
from progress_worker.storage.database import Connection
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.histories import derive
from progress_worker.storage.write.learners import load_whole
from progress_worker.walks.walk import Page

_PARTS: Final = 1_000_000


class Verify:
    """Derives learners by their own rule book and reports every difference.

    Learners who are complete by no rule book are not compared: the walk derives them again anyway.
    """

    name = "verify"
    derives = True
    snapshot = True
    rule_book = None

    def __init__(
        self,
        books: RuleBooks,
        report: Callable[[Difference], None],
        share: float = 1.0,
    ) -> None:
        """`share` of the learners is looked at, the same ones each time."""
        self._books = books
        self._report = report
        self._most = round(share * _PARTS)
        #: How many learners were compared, how many of them have deleted older completions
        #: (truncated), and how many an older release saved last (incomplete).
        self.figures: Counter[str] = Counter(compared=0, truncated=0, incomplete=0)
        #: Of the last page, until it is committed.
        self._page: Counter[str] = Counter()
        self._found: list[Difference] = []

    def wants(self, user_id: str, _rule_book: int | None, /) -> bool:
        """The learners of the sample."""
        return zlib.crc32(user_id.encode()) % _PARTS < self._most

    async def work(self, connection: Connection, page: Page) -> int:
        """Compare these learners; returns how many differ."""
        self._found = []
        stored = await load_whole(connection, self._books, set(page.users))
        complete = {u: state for u, state in stored.items() if state.rule_book is not None}
        self._page = Counter(
            compared=len(complete),
            truncated=sum(state.kept_from is not None for state in complete.values()),
            incomplete=len(stored) - len(complete),
        )
        async with aclosing(derive(connection, self._books, complete)) as learners:
            async for before, derived in learners:
                self._found += compare(before, derived)
        return len({difference.user_id for difference in self._found})

    def committed(self) -> None:
        """Report what the last page found."""
        self.figures.update(self._page)
        for difference in self._found:
            self._report(difference)
        self._page, self._found = Counter(), []
