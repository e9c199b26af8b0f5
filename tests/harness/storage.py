"""What Postgres holds, and the worker's own way of filling it without Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.app import Worker
from progress_worker.commands.agent import CommandHandler
from progress_worker.commands.recalculation import Recalculation
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.ingest.batch_splitter import Batch, BatchSplitter
from progress_worker.ingest.decode import Decoder
from progress_worker.outbox.messages import Messages, Record
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.settings.rules import load_rules
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import connect
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.schema.tables import LEARNER_TABLES
from progress_worker.storage.write import rulebooks
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.tracing import Tracing
from progress_worker.walks.walk import Walk
from tests.harness.events import CATALOGUE

Rows = list[tuple[Any, ...]]

#: Columns that depend on when and how often a learner was saved, not on the events.
_INCIDENTAL = {
    "version",
    "first_version",
    "learner_version",
    "rule_book_at",
    "complete_at",
    "stored_at",
    "recorded_at",
    # Bounds, which may be wider than they are after a revision.
    "least_day_offset",
    "most_day_offset",
}
#: Columns that may also depend on the order of arrival.
_BY_ARRIVAL = {
    "skill_level": {"previous_level", "level_updated_at"},
    "achievement_unlock": {
        "unlocked_at",
        "local_day",
        "triggering_event_id",
        "value",
        "evidence",
        "generation",
    },
    "learner": {"lost_unlocks"},
}

BOOK = read_rule_book(CATALOGUE)
BOOKS = RuleBooks(BOOK)
BOOKS.by_version[BOOK.version] = BOOK


def fetch(url: str, query: LiteralString, *parameters: object) -> Rows:
    """The rows of a query."""
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        return connection.execute(query, parameters or None).fetchall()


def execute(url: str, statement: LiteralString, *parameters: object) -> None:
    """Run a statement."""
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(statement, parameters or None)


def progress(url: str, *, any_order: bool = False) -> dict[str, Rows]:
    """Every row of every learner table without incidental columns; sums of zero are left out.

    With `any_order` also without what the order of arrival decides.
    """
    found: dict[str, Rows] = {}
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        for table in LEARNER_TABLES:
            hidden = _INCIDENTAL | (_BY_ARRIVAL.get(table.name, set()) if any_order else set())
            columns = [column.name for column in table.columns if column.name not in hidden]
            empty = "WHERE completions <> 0" if "completions" in columns else ""
            query = f"SELECT {', '.join(columns)} FROM {table.name} {empty} ORDER BY {columns[0]}"
            found[table.name] = sorted(connection.execute(query.encode()).fetchall(), key=repr)
    return found


@dataclass(frozen=True)
class Projection:
    """The parts that turn records into rows."""

    engine: AsyncEngine
    books: RuleBooks
    walk: Walk
    decoder: Decoder
    cache: LearnerCache
    splitter: BatchSplitter
    commands: CommandHandler
    recalculation: Recalculation
    retry: RetryPolicy
    metrics: Metrics
    messages: Messages
    outbox_filled: asyncio.Event

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply the records as a partition consumer does, but only once."""
        await self.splitter.attempt(Batch(records))


async def settle(worker: Worker) -> None:
    """Do what the worker's start does with rule books."""
    async with connect(worker.engine) as connection:
        migrated = await connection.execute("SELECT to_regclass('rule_book') IS NOT NULL")
        if await migrated.fetchone() == (True,):
            text = load_rules(worker.settings).text
            await rulebooks.settle(connection, worker.books, text)
            await worker.erasures.check(connection)
            await connection.commit()


@asynccontextmanager
async def projection(
    settings: Settings, tracing: Tracing | None = None, pulse: Callable[[], None] = lambda: None
) -> AsyncIterator[Projection]:
    """A worker's parts as the worker wires them, without its services."""
    worker = Worker(settings, tracing)
    try:
        await settle(worker)
        await worker.engine.dispose()  # tests listen for new connections
        yield Projection(
            books=worker.books,
            walk=worker.walk,
            engine=worker.engine,
            decoder=worker.decoder,
            cache=worker.cache,
            splitter=BatchSplitter(
                worker.projector,
                worker.retry,
                worker.observer,
                max_events=settings.batch_max_events,
                time_limit_seconds=settings.database_statement_timeout_seconds,
                pulse=pulse,
            ),
            commands=worker.commands,
            recalculation=worker.recalculation,
            retry=worker.retry,
            metrics=worker.metrics,
            messages=worker.messages,
            outbox_filled=worker.outbox_filled,
        )
    finally:
        await worker.engine.dispose()
