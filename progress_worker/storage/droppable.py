"""A connection to Postgres that closes at once when a wait for it is cancelled."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async

_INTERVAL_SECONDS = 0.1

_Result = TypeVar("_Result")


class DroppableConnection(AsyncConnection[TupleRow]):
    """Never waits for a server beyond the time limit of its user.

    Psycopg answers a cancelled wait with a request to cancel the statement and waits for the
    server to do so. A server that is frozen does not, so the time limit would not hold. This class
    closes the socket instead: the server rolls back when it notices, at the latest when the
    statement reaches its own time limit.
    """

    async def wait(
        self,
        gen: PQGen[_Result],
        interval: float = _INTERVAL_SECONDS,
        timeout: float | None = None,  # psycopg's own signature
    ) -> _Result:
        """Run the generator to its end; close the connection when cancelled."""
        try:
            return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            await self.close()
            raise
