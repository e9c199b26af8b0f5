"""Leaves out the dead letters of erased learners: their records are dropped."""

from __future__ import annotations

from collections.abc import Sequence

from progress_worker.outbox.messages import DeadLetter
from progress_worker.storage.database import Connection
from progress_worker.storage.write.erasures import Erasures


async def letters_kept(
    connection: Connection, erasures: Erasures, letters: Sequence[DeadLetter]
) -> list[DeadLetter]:
    """The letters whose record key names nobody who was erased after the record was written.

    Raises psycopg.Error.
    """
    if not letters:
        return []
    records = [(letter.record.key, letter.record.timestamp / 1000) for letter in letters]
    kept = await erasures.kept(connection, records)
    return [letter for letter, keep in zip(letters, kept, strict=True) if keep]
