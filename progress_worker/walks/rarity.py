"""Counts how many learners hold each achievement, from what is stored of them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.rulebook import RuleBook
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rarity, walks
from progress_worker.storage.write.rarity import Sums
from progress_worker.telemetry.metrics import Metrics
from progress_worker.walks.walk import Page, Step, Walk

_log = structlog.get_logger()

NAME: Final = "rarity"
#: A page is one statement, which takes a few milliseconds for each thousand of learners.
PAGE_LEARNERS: Final = 5_000
#: The pauses between two looks: while learners are moved to a rule book, and otherwise.
_WATCH_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 20.0


class CountRarity:
    """Counts the learners with a completion, and who of them holds what."""

    name = NAME
    derives = False
    snapshot = False

    def __init__(self, book: RuleBook) -> None:
        #: The achievements of this rule book are counted. Another one starts the pass over.
        self.book = book

    @property
    def rule_book(self) -> int:
        """The rule book's version."""
        return self.book.version

    def wants(self, _user_id: str, _rule_book: int | None, /) -> bool:
        """Everybody."""
        return True

    async def work(self, connection: Connection, page: Page) -> int:
        """Add these learners to the sums, which count for everybody once the pass ends."""
        sums = self._nobody if page.first else await rarity.load_sums(connection)
        if page.users:
            sums = sums.plus(await rarity.count(connection, page.users[0], page.users[-1]))
        await rarity.store_sums(connection, sums, "counted" if page.last else "counting")
        return 0

    @property
    def _nobody(self) -> Sums:
        """Zero of everything, so that what nobody holds is not taken for unknown."""
        return Sums(0, Counter({achievement.id: 0 for achievement in self.book.achievements}))

    def committed(self) -> None:
        """Everything is in the database."""


class RaritySchedule:
    """One pass in so many hours, and one when everybody was moved to another rule book."""

    def __init__(
        self,
        engine: AsyncEngine,
        books: RuleBooks,
        passenger: CountRarity,
        metrics: Metrics,
        *,
        hours: float,
        time_limit_seconds: float,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._engine = engine
        self._books = books
        self._passenger = passenger
        self._metrics = metrics
        self._every = dt.timedelta(hours=hours)
        self._time_limit = time_limit_seconds
        self._clock = clock
        self._examined = 0
        self.look_seconds = _WATCH_SECONDS

    async def is_due(self) -> bool:
        """Whether a pass is under way or has to begin. Raises what `connect_for` raises.

        A pass begins only once everybody was moved to the active rule book, and counts by that one.
        """
        async with connect_for(self._engine, self._time_limit) as connection:
            walked = await walks.find_all(connection)
            counted_at = await rarity.counted_at(connection)
        self.look_seconds = _WATCH_SECONDS
        self._metrics.rarity_counted.set(counted_at.timestamp() if counted_at else 0)
        book = self._passenger.book = self._books.active
        own, move = walked.get(NAME), walked.get(walks.RULE_BOOK)
        counts_now = own is not None and own.rule_book == book.version
        if own is not None and counts_now and not own.finished_at:
            return True
        if move is None or move.rule_book != book.version or not move.finished_at:
            return False
        self.look_seconds = _LOOK_SECONDS
        is_old = counted_at is None or counted_at + self._every <= self._clock()
        return is_old or not counts_now

    def stepped(self, step: Step) -> None:
        """Log a pass that has ended."""
        self._examined += step.examined
        if step.finished:
            _log.info("rarity_counted", learners=self._examined)
            self._examined = 0


def rarity_walk(
    engine: AsyncEngine, books: RuleBooks, metrics: Metrics, hours: float, time_limit_seconds: float
) -> tuple[Walk, RaritySchedule]:
    """The walk that counts, and its schedule of one pass in so many hours."""
    limit, passenger = time_limit_seconds, CountRarity(books.active)
    return (
        Walk(engine, passenger, time_limit_seconds=limit, page_learners=PAGE_LEARNERS),
        RaritySchedule(engine, books, passenger, metrics, hours=hours, time_limit_seconds=limit),
    )
