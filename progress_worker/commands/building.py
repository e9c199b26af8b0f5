"""Builds what carries out commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from progress_worker.commands.agent import CommandHandler
from progress_worker.commands.erasing import Erasing
from progress_worker.commands.excusing import Excusing
from progress_worker.commands.parts import CommandParts
from progress_worker.commands.recalculation import Recalculation
from progress_worker.outbox.dead_lettering import DeadLetterWriter
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.settings.worker import Settings


def command_handler(
    settings: Settings,
    parts: CommandParts,
    recalculation: Recalculation,
    dead_letters: DeadLetterWriter,
    retry: RetryPolicy,
    fail: Callable[[BaseException], Awaitable[None]],
    outbox_filled: asyncio.Event,
) -> CommandHandler:
    """The handler of all commands. `fail` stops the process; its argument is the reason."""
    return CommandHandler(
        recalculation,
        Excusing(parts),
        Erasing(parts, outbox_filled),
        dead_letters,
        retry,
        fail,
        at_once=settings.commands_at_once,
        drain_timeout_seconds=settings.drain_timeout_seconds,
        max_future_seconds=settings.max_future_seconds,
    )
