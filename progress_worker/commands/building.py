"""Builds what carries out commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from progress_worker.commands.agent import CommandHandler
from progress_worker.commands.erasing import Erasing
from progress_worker.commands.excusing import Excusing
from progress_worker.commands.parts import CommandParts
from progress_worker.commands.preferring import Preferring
from progress_worker.commands.recalculation import Recalculation
from progress_worker.outbox.dead_lettering import DeadLetterWriter
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import connect_for
from progress_worker.storage.write import command_positions


def command_handler(
    settings: Settings,
    parts: CommandParts,
    recalculation: Recalculation,
    dead_letters: DeadLetterWriter,
    retry: RetryPolicy,
    fail: Callable[[BaseException], Awaitable[None]],
) -> CommandHandler:
    """The handler of all commands. `fail` stops the process; its argument is the reason."""
    return CommandHandler(
        recalculation,
        Excusing(parts),
        Preferring(parts),
        Erasing(parts),
        dead_letters,
        partial(_store_position, parts),
        retry,
        fail,
        at_once=settings.commands_at_once,
        drain_timeout_seconds=settings.drain_timeout_seconds,
        max_future_seconds=settings.max_future_seconds,
    )


async def _store_position(parts: CommandParts, topic: str, partition: int, offset: int) -> None:
    """Store how far a partition is applied. Raises what `connect_for` raises."""
    async with connect_for(parts.engine, parts.time_limit_seconds) as connection:
        await command_positions.store(connection, topic, partition, offset)
        await connection.commit()
