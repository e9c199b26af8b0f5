"""Sends erasures and follows them, and reads and shortens the list of erased learners."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from aiokafka.errors import KafkaError

from progress_worker.cli.common import console
from progress_worker.errors import FatalError, TransientError
from progress_worker.kafka.clients import running_producer
from progress_worker.outbox.messages import Messages
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import connect_for
from progress_worker.storage.sessions import connect_owner, first_line
from progress_worker.walks.command import open_database

_LOOK_SECONDS: Final = 0.5
_RECEIPT: Final = """
SELECT erasure_id, barrier, erased_at, release, deleted FROM erasure_receipt WHERE erasure_id = %s
"""
_LIST: Final = "SELECT user_hash, barrier, erasure_id, erased_at FROM erasure ORDER BY barrier"
_FORGET: Final = "DELETE FROM erasure WHERE barrier < %s"


async def erase(user_id: str, *, wait_seconds: float) -> dict[str, Any]:
    """Send the command and wait for its receipt, which is returned.

    Raises FatalError without a pepper in the settings, and TransientError if Kafka does not
    acknowledge or there is no receipt in time: the command is carried out all the same.
    """
    async with open_database("erase") as opened:
        settings = opened.settings
        if settings.erasure_pepper is None:
            raise FatalError(
                "PROGRESS_ERASURE_PEPPER is not set: set it for the workers and for this command."
            )
        erasure_id = uuid4()
        await _send(settings, user_id, erasure_id)
        until = time.monotonic() + wait_seconds
        while time.monotonic() < until:
            async with connect_for(opened.engine, opened.time_limit_seconds) as connection:
                row = await (await connection.execute(_RECEIPT, [erasure_id])).fetchone()
            if row is not None:
                return _receipt(row)
            await asyncio.sleep(_LOOK_SECONDS)
    raise TransientError(
        f"There is no receipt of the erasure {erasure_id} after {wait_seconds:g} s: a worker will "
        "carry it out, unless it finds itself without a pepper; look at the dead letters of the "
        "commands."
    )


def _receipt(row: Any) -> dict[str, Any]:
    erasure_id, barrier, erased_at, release, deleted = row
    return {
        "erasure_id": str(erasure_id),
        "barrier": barrier.isoformat(),
        "erased_at": erased_at.isoformat(),
        "release": release,
        "deleted": deleted,
    }


async def _send(settings: Settings, user_id: str, erasure_id: UUID) -> None:
    request = Messages.of(settings).erasure_requested(user_id, erasure_id, dt.datetime.now(dt.UTC))
    try:
        async with (
            running_producer(settings) as producer,
            asyncio.timeout(2 * settings.kafka_request_timeout_seconds),
        ):
            await producer.send_and_wait(
                request.topic, request.value, key=request.key, headers=[*request.headers]
            )
    except (KafkaError, TimeoutError, OSError) as error:
        raise TransientError(
            f"Kafka cannot be reached or does not acknowledge: {type(error).__name__}."
        ) from error


def list_erasures(owner_url: str) -> list[dict[str, str]]:
    """The entries of the list. Raises FatalError if Postgres refuses."""
    try:
        with connect_owner(owner_url) as connection:
            rows = connection.execute(_LIST).fetchall()
    except psycopg.Error as error:
        raise FatalError(f"The list cannot be read: {first_line(error)}") from error
    return [
        {
            "user_hash": user_hash.hex(),
            "barrier": barrier.isoformat(),
            "erasure_id": str(erasure_id),
            "erased_at": erased_at.isoformat(),
        }
        for user_hash, barrier, erasure_id, erased_at in rows
    ]


def forget_erasures(owner_url: str, before: dt.datetime) -> int:
    """Delete the entries with an earlier barrier; returns how many. Raises FatalError."""
    try:
        with connect_owner(owner_url) as connection:
            return connection.execute(_FORGET, [before]).rowcount
    except psycopg.Error as error:
        raise FatalError(f"The list cannot be changed: {first_line(error)}") from error


def print_receipt(receipt: dict[str, Any]) -> None:
    """Print what was deleted."""
    console.print(
        f"Erased up to {receipt['barrier']}, as {receipt['erasure_id']}. Deleted rows:",
        highlight=False,
    )
    for table, rows in receipt["deleted"].items():
        console.print(f"  {table:20} {rows:>8,}", highlight=False)
