"""Reads and stores what learners prefer."""

from __future__ import annotations

from typing import Final

from progress_worker.domain.preferences import Preference
from progress_worker.storage.arrays import array, arrays
from progress_worker.storage.database import Connection
from progress_worker.storage.preferences import preference_row, read_preference
from progress_worker.storage.rows import PREFERENCE

_LOAD: Final = PREFERENCE.select_of_learners
_STORE: Final = PREFERENCE.upsert


async def load_preference(connection: Connection, user_id: str) -> Preference | None:
    """What the learner prefers; None if nothing is stored. Raises psycopg.Error."""
    row = await (await connection.execute(_LOAD, [array([user_id])])).fetchone()
    return None if row is None else read_preference(row[1:])


async def store_preference(connection: Connection, user_id: str, preference: Preference) -> None:
    """Store a preference, or replace the one that is stored; the caller commits.

    Raises psycopg.Error. The caller holds the learner's row.
    """
    row = preference_row(user_id, preference)
    await connection.execute(_STORE, arrays([row], len(PREFERENCE.columns)))
