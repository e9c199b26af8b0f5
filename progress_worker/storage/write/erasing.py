"""Deletes what is stored of a learner up to an instant, and all that follows from it."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from progress_worker.domain.state import LearnerState
from progress_worker.storage.database import Connection
from progress_worker.storage.schema.tables import (
    achievement_unlock,
    learner_counter,
    learner_day,
    learner_total,
    skill_level,
    streak_expiry,
)

#: The row is locked, and made where there is none: whoever adds the learner waits.
_LOCK: Final = """
INSERT INTO learner (user_id, version, active_days, counters)
VALUES (%s, 0, '{}', '{}')
ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
RETURNING version, CASE WHEN rule_book_at = version THEN rule_book END, erased_until,
          completions_kept_from
"""
_FACTS: Final = {
    "completion": "DELETE FROM completion WHERE user_id = %s AND completed_at <= %s",
    "excuse": "DELETE FROM excuse WHERE user_id = %s AND issued_at <= %s",
    "learner_preference": "DELETE FROM learner_preference WHERE user_id = %s AND issued_at <= %s",
}
_DERIVED: Final = {
    table.name: f"DELETE FROM {table.name} WHERE user_id = %s"
    for table in (
        learner_total,
        learner_day,
        learner_counter,
        skill_level,
        achievement_unlock,
        streak_expiry,
    )
}
_OUTBOX: Final = "DELETE FROM outbox WHERE key = %s"
_ARE_FACTS_LEFT: Final = """
SELECT EXISTS (SELECT FROM completion WHERE user_id = %(user_id)s)
    OR EXISTS (SELECT FROM excuse WHERE user_id = %(user_id)s)
    OR EXISTS (SELECT FROM learner_preference WHERE user_id = %(user_id)s)
"""
_DELETE: Final = "DELETE FROM learner WHERE user_id = %s"
#: Nothing is left of the row but its key. A version never comes back.
_RESET: Final = """
UPDATE learner SET
    version = (date_part('epoch', now()) * 1000000)::bigint,
    first_version = (date_part('epoch', now()) * 1000000)::bigint,
    active_days = '{}', excused_days = NULL, travel_days = NULL, counters = '{}',
    timezone = NULL, timezone_at = NULL, timezone_event_id = NULL, utc_offset_minutes = NULL,
    day_starts_at = NULL, day_starts_completed_at = NULL, day_starts_event_id = NULL,
    least_day_offset = NULL, most_day_offset = NULL, lost_unlocks = NULL,
    completions_kept_from = CASE WHEN completions_kept_from > %(barrier)s
        THEN completions_kept_from END,
    erased_until = %(barrier)s,
    gamification = (
        SELECT nullif(gamification, 'on') FROM learner_preference WHERE user_id = %(user_id)s
    )
WHERE user_id = %(user_id)s
RETURNING version, completions_kept_from, coalesce(gamification, 'on')
"""


class LockedLearner(NamedTuple):
    """What an erasure has to know of a learner whose row it has locked."""

    version: int
    rule_book: int | None
    erased_until: dt.datetime | None
    kept_from: dt.datetime | None


async def lock(connection: Connection, user_id: str) -> LockedLearner:
    """Lock the learner's row, which is made if there is none, until the end of the transaction."""
    row = await (await connection.execute(_LOCK, [user_id])).fetchone()
    if row is None:
        raise RuntimeError("an upsert returned no row")
    return LockedLearner(*row)


async def delete(connection: Connection, user_id: str, barrier: dt.datetime) -> dict[str, int]:
    """Delete facts up to the barrier and all that is derived; returns how many rows by table.

    The caller holds the learner's row and commits.
    """
    deleted = {}
    for table, statement in _FACTS.items():
        deleted[table] = (await connection.execute(statement, [user_id, barrier])).rowcount
    for table, statement in _DERIVED.items():
        deleted[table] = (await connection.execute(statement, [user_id])).rowcount
    deleted["outbox"] = (await connection.execute(_OUTBOX, [user_id.encode()])).rowcount
    return deleted


async def remove_or_reset(
    connection: Connection, user_id: str, barrier: dt.datetime, rule_book: int | None
) -> LearnerState | None:
    """Delete the learner's row if no fact is left, else make it that of a learner who begins.

    Returns the state as it is stored then, or None.
    """
    left = await (await connection.execute(_ARE_FACTS_LEFT, {"user_id": user_id})).fetchone()
    if left != (True,):
        await connection.execute(_DELETE, [user_id])
        return None
    parameters = {"user_id": user_id, "barrier": barrier}
    row = await (await connection.execute(_RESET, parameters)).fetchone()
    if row is None:
        raise RuntimeError("the learner's row is locked, and gone")
    state = LearnerState(user_id, version=row[0], rule_book=rule_book, erased_until=barrier)
    _, state.kept_from, state.gamification = row
    return state
