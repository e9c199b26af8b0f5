"""The outbox: records that transactions leave to be published, in the order of the decisions."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from pydantic_core import PydanticSerializationError, from_json, to_json

from progress_worker.storage.arrays import array, arrays
from progress_worker.storage.database import Connection, values_refused
from progress_worker.storage.rows import OUTBOX
from progress_worker.storage.write.bulk import Row


class OutboxRecord(NamedTuple):
    """A Kafka record to be published, byte for byte."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class PendingRecord(NamedTuple):
    """A record that waits in the outbox since `created_at`."""

    id: int
    created_at: dt.datetime
    record: OutboxRecord


class Backlog(NamedTuple):
    """How much waits: records to publish, the oldest one's age, and records that were parked."""

    pending: int
    oldest_seconds: float
    held_back: int


_NEXT: Final = """
SELECT id, created_at, topic, key, value, headers::text
FROM outbox WHERE parked IS NULL ORDER BY id LIMIT %s
"""
_ADD: Final = OUTBOX.insert
_DELETE: Final = "DELETE FROM outbox WHERE id = ANY(%s::bigint[])"
_HOLD_BACK: Final = "UPDATE outbox SET parked = %s WHERE id = %s"
#: The channel on which workers announce that they have committed records.
_ANNOUNCE: Final = "NOTIFY progress_outbox"
_LISTEN: Final = "LISTEN progress_outbox"
_BACKLOG: Final = """
SELECT count(*) FILTER (WHERE parked IS NULL),
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE parked IS NULL)), 0),
       count(*) FILTER (WHERE parked IS NOT NULL)
FROM outbox
"""


async def next_records(connection: Connection, limit: int) -> list[PendingRecord]:
    """The oldest records that wait to be published."""
    result = await connection.execute(_NEXT, [limit], binary=True)
    return [_pending(row) for row in await result.fetchall()]


async def add(connection: Connection, records: Sequence[OutboxRecord]) -> None:
    """Write records that are not part of a batch, in their order; the caller commits.

    Raises PoisonError for a value that cannot be sent, and psycopg.Error.
    """
    rows = [row(record) for record in records]
    with values_refused():
        await connection.execute(_ADD, arrays(rows, len(OUTBOX.columns)))


async def delete(connection: Connection, ids: Sequence[int]) -> None:
    """Remove records that Kafka acknowledged."""
    await connection.execute(_DELETE, [array(ids)])


async def hold_back(connection: Connection, record_id: int, why: str) -> None:
    """Set aside a record that Kafka refuses for good, so that it holds up no other."""
    await connection.execute(_HOLD_BACK, [why, record_id])


async def announce(connection: Connection) -> None:
    """Wake the relay of another worker. The connection is in autocommit mode."""
    await connection.execute(_ANNOUNCE)


async def listen(connection: Connection, filled: asyncio.Event) -> None:
    """Have announcements set the event; those that arrive between two statements need `woken`."""
    connection.add_notify_handler(lambda _: filled.set())
    await connection.execute(_LISTEN)


@contextmanager
def woken(connection: Connection, filled: asyncio.Event) -> Iterator[None]:
    """While no statement runs, set the event when the server says anything, also that it ends."""
    loop, descriptor = asyncio.get_running_loop(), connection.fileno()
    loop.add_reader(descriptor, filled.set)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)


async def backlog(connection: Connection) -> Backlog:
    """What waits in the outbox now."""
    row = await (await connection.execute(_BACKLOG)).fetchone()
    if row is None:
        raise RuntimeError("an aggregate gave no row")
    return Backlog(row[0], float(row[1]), row[2])


def row(record: OutboxRecord) -> Row:
    """The record as a row for `rows.OUTBOX`."""
    return record.topic, record.key, record.value, _headers(record.headers)


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Headers as JSON, their bytes read as Latin-1, which has a character for each."""
    try:
        text = to_json(headers)
    except PydanticSerializationError:  # not UTF-8
        text = b"\xff"
    if not text.isascii():
        contents = [
            (name, None if content is None else content.decode("latin-1"))
            for name, content in headers
        ]
        text = to_json(contents)
    return text.decode()


def _pending(row: Sequence[Any]) -> PendingRecord:
    record_id, created_at, topic, key, value, headers = row
    contents = [
        (name, None if content is None else content.encode("latin-1"))
        for name, content in from_json(headers)
    ]
    return PendingRecord(record_id, created_at, OutboxRecord(topic, key, value, contents))
