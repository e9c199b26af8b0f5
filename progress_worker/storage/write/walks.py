"""Stores how far each walk over all learners has come, so that any process can go on.

A walk moves its cursor in the transaction that does the work of a page. If two workers take
themselves for the leader, the second one finds the cursor moved and does nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from progress_worker.errors import TransientError
from progress_worker.storage.arrays import array
from progress_worker.storage.database import Connection


class WalkMovedError(TransientError):
    """Another process moved the walk on meanwhile."""


class Cursor(NamedTuple):
    """Everything up to this learner is done, or up to this completion of the learner."""

    user_id: str = ""
    event_id: UUID | None = None


#: The walk that moves learners to the active rule book.
RULE_BOOK: Final = "rule_book"


class WalkState(NamedTuple):
    """One walk: its cursor, the pass's rule book and counts, and when it ended, if it did.

    `learners_per_second` is the rate that an operator asked for; None where the settings decide.
    """

    rule_book: int | None
    cursor: Cursor
    examined: int
    changed: int
    started_at: dt.datetime
    finished_at: dt.datetime | None
    moved_at: dt.datetime
    learners_per_second: float | None


_COLUMNS: Final = (
    "name, rule_book, after_user_id, after_event_id, examined, changed, started_at, finished_at,"
    " moved_at, learners_per_second"
)
_FIND_ALL: Final = f"SELECT {_COLUMNS} FROM walk"
_FIND: Final = f"{_FIND_ALL} WHERE name = %s"
_BEGIN: Final = f"""
INSERT INTO walk (name, rule_book, learners_per_second) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET
    rule_book = excluded.rule_book, after_user_id = '', after_event_id = NULL,
    learners_per_second = coalesce(excluded.learners_per_second, walk.learners_per_second),
    examined = 0, changed = 0, started_at = now(), moved_at = now(), finished_at = NULL
RETURNING {_COLUMNS}
"""
_SET_RATE: Final = "UPDATE walk SET learners_per_second = %s WHERE name = %s"
_MOVE: Final = """
UPDATE walk SET
    after_user_id = CASE WHEN w.finished THEN '' ELSE %s END, after_event_id = %s,
    examined = examined + %s, changed = changed + %s,
    moved_at = now(), finished_at = CASE WHEN w.finished THEN now() END,
    learners_per_second = CASE
        WHEN NOT w.finished OR rule_book < (SELECT max(version) FROM rule_book)
        THEN learners_per_second
    END
FROM (VALUES (%s)) AS w (finished)
WHERE name = %s AND finished_at IS NULL
    AND (after_user_id, after_event_id) IS NOT DISTINCT FROM (%s, %s::uuid)
"""
_IS_AT: Final = "SELECT EXISTS (SELECT FROM walk WHERE after_user_id = %s)"
_LEARNER_BEFORE: Final = "SELECT coalesce(max(user_id), '') FROM learner WHERE user_id < %s"
_STEP_BACK: Final = """
UPDATE walk SET after_user_id = %s, after_event_id = NULL WHERE after_user_id = %s
"""
#: By key order. A learner whom an older release saved last is complete by no rule book.
_PAGE: Final = """
SELECT user_id, CASE WHEN rule_book_at = version AND complete_at = version THEN rule_book END
FROM learner WHERE user_id > %s ORDER BY user_id LIMIT %s
"""
_SIZES: Final = """
SELECT user_id, count(*) FROM completion WHERE user_id = ANY(%s::text[]) GROUP BY user_id
"""


async def find(connection: Connection, name: str) -> WalkState | None:
    """The walk as it stands; None before its first pass."""
    row = await (await connection.execute(_FIND, [name])).fetchone()
    return None if row is None else _state(row)


async def find_all(connection: Connection) -> dict[str, WalkState]:
    """Every walk by its name."""
    rows = await (await connection.execute(_FIND_ALL)).fetchall()
    return {row[0]: _state(row) for row in rows}


def _state(row: Sequence[Any]) -> WalkState:
    _, rule_book, user_id, event_id, *others = row
    return WalkState(rule_book, Cursor(user_id, event_id), *others)


async def begin(
    connection: Connection,
    name: str,
    rule_book: int | None = None,
    learners_per_second: float | None = None,
) -> WalkState:
    """Start a pass from the beginning; the caller commits.

    A rate holds until a pass for the newest rule book has ended, also if others end before.
    """
    values = [name, rule_book, learners_per_second]
    row = await (await connection.execute(_BEGIN, values)).fetchone()
    if row is None:
        raise RuntimeError("an upsert returned no row")
    return _state(row)


async def set_rate(connection: Connection, name: str, learners_per_second: float) -> None:
    """Let the pass go on at that rate; the caller commits."""
    await connection.execute(_SET_RATE, [learners_per_second, name])


async def resume(connection: Connection, name: str, rule_book: int | None = None) -> WalkState:
    """The pass for that rule book, which begins if there is none under way; the caller commits."""
    state = await find(connection, name)
    if state is None or state.finished_at or state.rule_book != rule_book:
        return await begin(connection, name, rule_book)
    return state


async def move(
    connection: Connection,
    name: str,
    before: Cursor,
    after: Cursor,
    *,
    examined: int,
    changed: int,
    finished: bool,
) -> None:
    """Move the cursor from where it was read; the caller commits. Raises WalkMovedError."""
    parameters = [*after, examined, changed, finished, name, *before]
    if (await connection.execute(_MOVE, parameters)).rowcount != 1:
        raise WalkMovedError(f"another process moved the walk {name} on")


async def leave(connection: Connection, user_id: str) -> None:
    """Let no walk name this learner, whom the caller deletes, but the one before; it commits.

    A walk that is under way there goes on from the learner before.
    """
    if await (await connection.execute(_IS_AT, [user_id])).fetchone() == (True,):
        before = await (await connection.execute(_LEARNER_BEFORE, [user_id])).fetchone()
        await connection.execute(_STEP_BACK, [*(before or [""]), user_id])


async def page(connection: Connection, after: str, limit: int) -> list[tuple[str, int | None]]:
    """The next learners by key, each with the rule book by which it is complete."""
    rows = await (await connection.execute(_PAGE, [after, limit])).fetchall()
    return [(user_id, rule_book) for user_id, rule_book in rows]


async def learners(connection: Connection) -> int:
    """How many learners there are."""
    row = await (await connection.execute("SELECT count(*) FROM learner")).fetchone()
    return int(row[0]) if row else 0


async def sizes(connection: Connection, users: list[str]) -> dict[str, int]:
    """How many completions are stored of each learner."""
    rows = await (await connection.execute(_SIZES, [array(users)])).fetchall()
    return dict.fromkeys(users, 0) | dict(rows)
