"""When streaks are lost: written by every save while warnings are on, and read when one is due.

A save writes a learner's expiry after the learner's row. Whoever warns locks expiries and no
learner, and reads the learner only then: a fact that was committed before the lock is seen, and the
save of a later one waits for the warning's commit. Both go through the learners in the order of
their ids.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from progress_worker.domain.expiry import clock_of, expires_at
from progress_worker.domain.state import LearnerState
from progress_worker.storage.arrays import array, arrays
from progress_worker.storage.database import Connection
from progress_worker.storage.rows import EXPIRY, SAVED_EXPIRY
from progress_worker.storage.rulebooks import RuleBooks

#: Stands for no expiry. It was over before the first completion that is accepted.
NO_EXPIRY: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_SAVE: Final = (
    f"{SAVED_EXPIRY.upsert} WHERE {EXPIRY.table}.expires_at IS DISTINCT FROM excluded.expires_at"
)
_IS_DUE: Final = """
e.expires_at > %s AND e.expires_at <= %s AND e.warned_for IS DISTINCT FROM e.expires_at
"""
DUE: Final = f"""
SELECT e.user_id FROM streak_expiry AS e WHERE {_IS_DUE}
AND e.user_id <> ALL(%s::text[]) ORDER BY e.expires_at LIMIT %s
"""
_CLAIM: Final = f"""
UPDATE streak_expiry AS e SET warned_for = e.expires_at
FROM unnest(%s::text[]) AS n (user_id)
WHERE e.user_id = n.user_id AND {_IS_DUE}
RETURNING e.user_id, e.expires_at, e.warned_on
"""
_SETTLE: Final = EXPIRY.update


class Expiries:
    """Keeps the expiries of learners whom a save changes."""

    def __init__(self, books: RuleBooks) -> None:
        self._books = books

    def of(self, state: LearnerState) -> dt.datetime:
        """When the streak is lost, by the learner's own rule book; `NO_EXPIRY` without a streak.

        The active rule book decides when days start for whom no completion says it.
        """
        books = self._books
        clock = clock_of(state, books.active.day_starts)
        return expires_at(books.by_version[state.rule_book], state, clock) or NO_EXPIRY

    async def save(self, connection: Connection, learners: Iterable[LearnerState]) -> None:
        """Write the expiries that may have moved; the learners are saved, in the order of ids."""
        rows = [(state.user_id, self.of(state)) for state in learners if state.dirty.expiry]
        if rows:
            await connection.execute(_SAVE, arrays(rows, len(SAVED_EXPIRY.columns)))


class Window(NamedTuple):
    """The expiries after an instant, and no later than another one."""

    after: dt.datetime
    until: dt.datetime


class Claim(NamedTuple):
    """An expiry that is due, and the learner's local day of the last warning."""

    user_id: str
    expires_at: dt.datetime
    warned_on: dt.date | None


class ExpiryRow(NamedTuple):
    """A row of the table."""

    user_id: str
    expires_at: dt.datetime
    warned_for: dt.datetime | None
    warned_on: dt.date | None


async def due(
    connection: Connection, window: Window, without: Iterable[str], *, limit: int
) -> list[str]:
    """Learners whose streak is lost in the window and who were not warned of it, soonest first.

    Those in `without`, who should be few, are left out. Raises psycopg.Error.
    """
    rows = await (await connection.execute(DUE, [*window, array(without), limit])).fetchall()
    return [user_id for (user_id,) in rows]


async def claim(connection: Connection, users: Iterable[str], window: Window) -> list[Claim]:
    """Mark those of the learners as warned who are still due; their rows stay locked.

    Waits for transactions that change the rows, up to the connection's lock timeout. A later
    statement sees all that decides on these expiries. Raises psycopg.Error.
    """
    claimed = await connection.execute(_CLAIM, [array(sorted(users)), *window])
    return [Claim._make(row) for row in await claimed.fetchall()]


async def settle(connection: Connection, rows: Sequence[ExpiryRow]) -> None:
    """Replace rows that were claimed; the caller commits. Raises psycopg.Error."""
    await connection.execute(_SETTLE, arrays(rows, len(EXPIRY.columns)))
