"""The view's connections to Postgres, and the rule books that it reads through them."""

from __future__ import annotations

from dataclasses import dataclass

from progress_worker.domain.rulebook import RuleBook
from progress_worker.settings.view import ViewSettings
from progress_worker.storage.read.connections import Limits, ReadConnections
from progress_worker.storage.read.rulebooks import ViewRuleBooks


@dataclass(frozen=True, slots=True)
class Reads:
    """`short` is for single statements, and `long` for exports and explanations."""

    short: ReadConnections
    long: ReadConnections
    books: ViewRuleBooks

    async def close(self) -> None:
        """Close every connection."""
        await self.short.close()
        await self.long.close()


def reads_of(settings: ViewSettings, book: RuleBook) -> Reads:
    """Connects on first use. `book` is active as long as the database has no rule book."""
    short = ReadConnections(
        settings.read_url,
        Limits(
            settings.view_pool_size,
            settings.view_pool_timeout_seconds,
            settings.view_connect_timeout_seconds,
            settings.view_statement_timeout_seconds,
        ),
    )
    long = ReadConnections(
        settings.read_url,
        Limits(
            settings.view_export_pool_size,
            settings.view_pool_timeout_seconds,
            settings.view_connect_timeout_seconds,
            settings.view_statement_timeout_seconds,
            settings.view_export_timeout_seconds,
        ),
    )
    return Reads(short, long, ViewRuleBooks(short, book))
