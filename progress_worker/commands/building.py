"""Builds what carries out commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.commands.agent import CommandHandler
from progress_worker.commands.erasing import Erasing
from progress_worker.commands.excusing import Excusing
from progress_worker.commands.recalculation import Recalculation
from progress_worker.outbox.dead_lettering import DeadLetterWriter
from progress_worker.outbox.messages import Messages
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.settings.worker import Settings
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.expiries import Expiries


def command_handler(
    settings: Settings,
    engine: AsyncEngine,
    books: RuleBooks,
    messages: Messages,
    expiries: Expiries | None,
    erasures: Erasures,
    recalculation: Recalculation,
    dead_letters: DeadLetterWriter,
    retry: RetryPolicy,
    fail: Callable[[BaseException], Awaitable[None]],
    outbox_filled: asyncio.Event,
) -> CommandHandler:
    """The handler of all commands. `fail` stops the process; its argument is the reason."""
    limit = settings.database_statement_timeout_seconds
    return CommandHandler(
        recalculation,
        Excusing(engine, books, messages, expiries, erasures, time_limit_seconds=limit),
        Erasing(
            engine,
            books,
            messages,
            expiries,
            erasures,
            outbox_filled=outbox_filled,
            time_limit_seconds=limit,
        ),
        dead_letters,
        retry,
        fail,
        at_once=settings.commands_at_once,
        drain_timeout_seconds=settings.drain_timeout_seconds,
        max_future_seconds=settings.max_future_seconds,
    )
