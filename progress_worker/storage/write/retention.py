"""Deletes what is kept for a limited time: completions, and records that Kafka refused.

Each call reads a bounded number of rows by primary key, wherever the old ones are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from progress_worker.storage.arrays import array
from progress_worker.storage.database import Connection

#: A completion's primary key.
StoredKey = tuple[str, UUID]

#: Before the first completion of the first learner.
BEGINNING: Final[StoredKey] = ("", UUID(int=0))


class Page(NamedTuple):
    """The next completions in the order of their keys: how many, the last one, and the old ones."""

    size: int
    last: StoredKey
    old: Sequence[StoredKey]


class HeldBackRecord(NamedTuple):
    """A record that Kafka refused for good: its row, its topic and the reason."""

    id: int
    topic: str
    why: str


# A completion is old if it was completed and stored before the limit, so that one that came late is
# kept as long as any other.
_PAGE: Final = """
SELECT user_id, event_id, completed_at < %(before)s AND stored_at < %(before)s
FROM completion WHERE (user_id, event_id) > (%(user_id)s, %(event_id)s)
ORDER BY user_id, event_id LIMIT %(limit)s
"""
_MARK: Final = """
UPDATE learner SET
    version = version + 1,
    rule_book_at = CASE WHEN rule_book_at = version THEN version + 1 ELSE rule_book_at END,
    complete_at = CASE WHEN complete_at = version THEN version + 1 ELSE complete_at END,
    completions_kept_from = greatest(completions_kept_from, %(before)s)
WHERE user_id = ANY(%(users)s::text[])
"""
_FORGET: Final = """
DELETE FROM completion
WHERE (user_id, event_id) IN (SELECT * FROM unnest(%(users)s::text[], %(events)s::uuid[]))
AND completed_at < %(before)s AND stored_at < %(before)s
"""
# The first rows are the oldest, so parked ones among later rows are younger.
_DELETE_HELD_BACK: Final = """
DELETE FROM outbox
WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT %(limit)s)
AND parked IS NOT NULL AND created_at < %(before)s
RETURNING id, topic, parked
"""


async def completions_after(
    connection: Connection, key: StoredKey, *, before: dt.datetime, limit: int
) -> Page:
    """The next completions after a key, and which of them are older than `before`."""
    parameters = {"before": before, "user_id": key[0], "event_id": key[1], "limit": limit}
    rows = await (await connection.execute(_PAGE, parameters)).fetchall()
    old = [(user_id, event_id) for user_id, event_id, is_old in rows if is_old]
    return Page(len(rows), (rows[-1][0], rows[-1][1]) if rows else BEGINNING, old)


async def forget_completions(
    connection: Connection, keys: Sequence[StoredKey], *, before: dt.datetime
) -> int:
    """Delete these completions where they are older than `before`; the caller commits.

    It marks their learners first. That keeps other writers of these learners out until the commit,
    and a transaction that loaded them before will fail. Returns how many were deleted.
    """
    users, events = [user_id for user_id, _ in keys], [event_id for _, event_id in keys]
    await connection.execute(_MARK, {"before": before, "users": array(list(dict.fromkeys(users)))})
    parameters = {"before": before, "users": array(users), "events": array(events)}
    return (await connection.execute(_FORGET, parameters)).rowcount


async def delete_held_back(
    connection: Connection, *, before: dt.datetime, limit: int
) -> list[HeldBackRecord]:
    """Delete parked records older than `before` among the oldest rows; never one that waits."""
    result = await connection.execute(_DELETE_HELD_BACK, {"before": before, "limit": limit})
    return [HeldBackRecord(*row) for row in await result.fetchall()]
