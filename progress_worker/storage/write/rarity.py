"""Counts who holds which achievement: a page of learners at a time, and summed over the pages.

The sums so far are stored in the transaction that moves the walk's cursor. So they are always those
of the learners whom the pass has passed.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Final, Literal, NamedTuple

from psycopg.types.json import Jsonb

from progress_worker.errors import TransientError
from progress_worker.storage.database import Connection

State = Literal["counting", "counted"]


class Sums(NamedTuple):
    """How many learners have a completion, and how many of these hold each achievement, by id."""

    learners: int
    holders: Counter[str]

    def plus(self, other: Sums) -> Sums:
        """The sums of both. An achievement that nobody holds stays."""
        holders = self.holders.copy()
        holders.update(other.holders)
        return Sums(self.learners + other.learners, holders)


#: Both parts see the same moment. An achievement that repeats counts once. Each table is told the
#: range, since Postgres does not conclude one from the other.
_COUNT: Final = """
SELECT NULL, count(*) FROM learner
WHERE user_id BETWEEN %(first)s AND %(last)s AND NOT isempty(active_days)
UNION ALL
SELECT achievement_id, count(DISTINCT user_id)
FROM learner AS l JOIN achievement_unlock AS u USING (user_id)
WHERE l.user_id BETWEEN %(first)s AND %(last)s AND u.user_id BETWEEN %(first)s AND %(last)s
AND NOT isempty(active_days)
GROUP BY achievement_id
"""
_LOAD: Final = "SELECT learners, holders FROM achievement_rarity WHERE state = 'counting'"
_STORE: Final = """
INSERT INTO achievement_rarity (state, learners, holders) VALUES (%s, %s, %s)
ON CONFLICT (state) DO UPDATE SET
    learners = excluded.learners, holders = excluded.holders, stored_at = now()
"""
_COUNTED_AT: Final = "SELECT stored_at FROM achievement_rarity WHERE state = 'counted'"


async def count(connection: Connection, first: str, last: str) -> Sums:
    """The sums of the learners from `first` to `last` in the order of keys, both included."""
    cursor = await connection.execute(_COUNT, {"first": first, "last": last})
    found = dict(await cursor.fetchall())
    learners = found.pop(None)
    return Sums(learners, Counter(found))


async def load_sums(connection: Connection) -> Sums:
    """The sums of the pass that is under way. Raises TransientError if somebody deleted them."""
    row = await (await connection.execute(_LOAD)).fetchone()
    if row is None:
        raise TransientError(
            "the sums of the count under way are missing from achievement_rarity; to begin again, "
            "run DELETE FROM walk WHERE name = 'rarity'"
        )
    return Sums(row[0], Counter(row[1]))


async def store_sums(connection: Connection, sums: Sums, state: State) -> None:
    """Store sums: those of the pass so far, or those of everybody; the caller commits."""
    await connection.execute(_STORE, [state, sums.learners, Jsonb(sums.holders)])


async def counted_at(connection: Connection) -> dt.datetime | None:
    """When everybody was counted last; None before the first time."""
    row = await (await connection.execute(_COUNTED_AT)).fetchone()
    return None if row is None else row[0]
