"""Reads and stores the excuses of learners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from progress_worker.domain.excuses import Excuse
from progress_worker.storage.arrays import array, arrays
from progress_worker.storage.database import Connection
from progress_worker.storage.rows import EXCUSE

_LOAD: Final = EXCUSE.select_of_learners
_STORE: Final = EXCUSE.upsert


async def load_excuses(
    connection: Connection, users: Sequence[str]
) -> defaultdict[str, list[Excuse]]:
    """The excuses of each of these learners, revoked ones included. Raises psycopg.Error."""
    rows = await (await connection.execute(_LOAD, [array(users)], binary=True)).fetchall()
    found: defaultdict[str, list[Excuse]] = defaultdict(list)
    for excuse in map(Excuse._make, rows):
        found[excuse.user_id].append(excuse)
    return found


async def store_excuse(connection: Connection, excuse: Excuse) -> None:
    """Store an excuse, or replace the revision that is stored; the caller commits.

    Raises psycopg.Error. The caller holds the learner's row.
    """
    await connection.execute(_STORE, arrays([excuse], len(EXCUSE.columns)))
