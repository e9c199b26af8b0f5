"""How far this database has applied the commands of each partition."""

from __future__ import annotations

from typing import Final

from progress_worker.storage.database import Connection

_READ: Final = 'SELECT "partition", next_offset FROM command_position WHERE topic = %s'
_STORE: Final = """
INSERT INTO command_position (topic, "partition", next_offset) VALUES (%s, %s, %s)
ON CONFLICT (topic, "partition") DO UPDATE SET next_offset = excluded.next_offset
"""


async def read(connection: Connection, topic: str) -> dict[int, int]:
    """The offset after the last command that was applied, for every partition that had one."""
    rows = await connection.execute(_READ, [topic])
    return {int(partition): int(offset) for partition, offset in await rows.fetchall()}


async def store(connection: Connection, topic: str, partition: int, next_offset: int) -> None:
    """Store that every command before this offset is applied; the caller commits."""
    await connection.execute(_STORE, [topic, partition, next_offset])
