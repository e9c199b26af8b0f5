"""Derives learners from all of their facts, within a time limit that fits their number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import Derivation, Derived
from progress_worker.domain.excuses import Excuse, excused_days
from progress_worker.domain.revocation import LossReason
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.state import LearnerState
from progress_worker.storage.arrays import array
from progress_worker.storage.database import Connection, connect_for
from progress_worker.storage.rows import COMPLETION
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write.excuses import load_excuses

#: Deriving a learner takes 20 µs a completion, so the event loop waits 10 ms for one portion.
_PORTION: Final = 500
#: The time limit is granted once, and once more for every 10,000 completions.
_COMPLETIONS_PER_LIMIT: Final = 10_000
_SIZE: Final = "SELECT count(*) FROM completion WHERE user_id = ANY(%s::text[])"
_LEFT: Final = """
SELECT user_id FROM unnest(%s::text[]) AS asked (user_id) WHERE EXISTS (
    SELECT FROM completion WHERE completion.user_id = asked.user_id AND NOT revoked
)
"""
_LIMIT: Final = "SELECT set_config('statement_timeout', %s, true)"
_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_DECLARE: Final = (
    f"DECLARE histories NO SCROLL CURSOR FOR {COMPLETION.select_of_learners} AND NOT revoked"
    " ORDER BY user_id, completed_at, event_id"
)
_FETCH: Final = f"FETCH FORWARD {_PORTION} FROM histories"


@asynccontextmanager
async def connect_for_histories(
    engine: AsyncEngine, users: Sequence[str], seconds: float, *, snapshot: bool = False
) -> AsyncIterator[Connection]:
    """A connection for work on all completions of these learners, as one transaction.

    `seconds` is the time limit without completions. With `snapshot`, every statement sees the same
    moment. Raises what `connect_for` raises.
    """
    async with connect_for(engine, None) as connection, asyncio.timeout(seconds) as deadline:
        if snapshot:
            await connection.execute(_SNAPSHOT)
        row = await (await connection.execute(_SIZE, [array(users)])).fetchone()
        limit = seconds * (1 + (row[0] if row else 0) / _COMPLETIONS_PER_LIMIT)
        await connection.execute(_LIMIT, [f"{limit * 1000:.0f}"])
        deadline.reschedule(asyncio.get_running_loop().time() + limit)
        yield connection


async def derive(
    connection: Connection,
    books: RuleBooks,
    stored: Mapping[str, LearnerState],
    *,
    by: RuleBook | None = None,
    reason: LossReason = "rules",
) -> AsyncGenerator[tuple[LearnerState, Derived]]:
    """Yield each of these learners, with every day and bucket: as stored, and as derived.

    Derives by the rule book `by`, or without it by the learner's own. `reason` is that of unlocks
    that are lost. One learner after the other is held in memory; other tasks run whenever Postgres
    is asked for more. Close it when you leave it early. Raises psycopg.Error.
    """
    left = dict(stored)
    excuses = await load_excuses(connection, list(stored))
    derivation: Derivation | None = None
    current = ""
    async with aclosing(completions_of(connection, list(stored))) as completions:
        async for completion in completions:
            if derivation is None or completion.user_id != current:
                if derivation is not None:
                    yield left.pop(current), derivation.finish()
                current = completion.user_id
                derivation = _derivation(
                    books, left[current], excuses[current], by=by, reason=reason
                )
            derivation.add(completion)
    if derivation is not None:
        yield left.pop(current), derivation.finish()
    for learner in left.values():
        of_learner = excuses[learner.user_id]
        yield learner, _derivation(books, learner, of_learner, by=by, reason=reason).finish()


async def with_completions(connection: Connection, users: Sequence[str]) -> set[str]:
    """Those of these learners of whom a completion is stored that is not revoked.

    Raises psycopg.Error.
    """
    rows = await (await connection.execute(_LEFT, [array(users)])).fetchall()
    return {user_id for (user_id,) in rows}


def _derivation(
    books: RuleBooks,
    stored: LearnerState,
    excuses: Sequence[Excuse],
    *,
    by: RuleBook | None,
    reason: LossReason,
) -> Derivation:
    book = by or books.by_version[stored.rule_book]
    return Derivation(book, stored, excused_days(excuses), reason)


async def completions_of(
    connection: Connection, users: Sequence[str]
) -> AsyncGenerator[Completion]:
    """All that are not revoked, learner by learner, oldest first, in constant memory.

    Close it when you leave it early; the cursor ends with the transaction at the latest. Raises
    psycopg.Error.
    """
    await connection.execute(_DECLARE, [array(users)])
    while rows := await (await connection.execute(_FETCH, binary=True)).fetchall():
        for row in rows:
            yield Completion(*row)
    await connection.execute("CLOSE histories")
