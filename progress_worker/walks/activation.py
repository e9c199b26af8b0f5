"""Makes a rule book the active one, and says how far the move of learners to it has come."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from progress_worker.domain.rulebook import RuleBook
from progress_worker.storage.database import Connection
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rulebooks, walks
from progress_worker.storage.write.walks import WalkState

_ACTIVE: Final = """
SELECT version, name, digest, activated_at, now() FROM rule_book ORDER BY version DESC LIMIT 1
"""
#: A learner whom an older release saved last is complete by no rule book.
_LEARNERS: Final = """
SELECT CASE WHEN rule_book_at = version AND complete_at = version THEN rule_book END,
       count(*), count(completions_kept_from)
FROM learner GROUP BY 1
"""


class Learners(NamedTuple):
    """How many learners are complete by a rule book, and how many of them have deleted completions.

    What the deleted completions would have earned by a new rule book is not known.
    """

    learners: int
    truncated: int


class Status(NamedTuple):
    """The active rule book, the learners by the version that they are complete by, and the walk.

    The version None stands for learners whom an older release saved last. The walk is None before
    its first pass.
    """

    version: int
    name: str
    digest: str
    activated_at: dt.datetime
    now: dt.datetime
    learners: dict[int | None, Learners]
    walk: WalkState | None

    @property
    def moved(self) -> int:
        """Learners who are complete by the active rule book."""
        return self.learners.get(self.version, Learners(0, 0)).learners

    @property
    def total(self) -> int:
        """All learners."""
        return sum(each.learners for each in self.learners.values())

    @property
    def truncated(self) -> int:
        """Learners whose older completions were deleted."""
        return sum(each.truncated for each in self.learners.values())

    @property
    def is_done(self) -> bool:
        """Whether a pass of the walk has reached everybody."""
        walk = self.walk
        return walk is not None and walk.rule_book == self.version and bool(walk.finished_at)


async def activate(
    connection: Connection, book: RuleBook, text: str, *, learners_per_second: float | None
) -> None:
    """Store the rule book and start the walk at that rate; the caller commits.

    A rule book that is active already keeps its pass, unless a rate is given and it has not ended.
    Raises FatalError with one sentence where it is refused or older than the active one.
    """
    books = RuleBooks(book)
    await rulebooks.settle(connection, books, text)
    rulebooks.refuse_older(book, books.active.version)
    walk = await walks.find(connection, walks.RULE_BOOK)
    if walk is None or walk.rule_book != book.version:
        await walks.begin(connection, walks.RULE_BOOK, book.version, learners_per_second)
    elif learners_per_second is not None:
        await walks.set_rate(connection, walks.RULE_BOOK, learners_per_second)


async def status(connection: Connection) -> Status | None:
    """Where the active rule book stands; None before a first one. Raises psycopg.Error."""
    active = await (await connection.execute(_ACTIVE)).fetchone()
    if active is None:
        return None
    rows = await (await connection.execute(_LEARNERS)).fetchall()
    learners = {version: Learners(*counts) for version, *counts in rows}
    walk = await walks.find(connection, walks.RULE_BOOK)
    version, name, digest, activated_at, now = active
    return Status(version, name, digest, activated_at, now, learners, walk)
