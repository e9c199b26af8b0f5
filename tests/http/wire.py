"""A wire between the view and Postgres that counts round trips, and can be interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from progress_worker.embedded.database import Database


class Wire:
    """Counts what a client asks a server to execute: each Query and Sync is a round trip.

    Nothing passes while `flowing` is cleared, as when a cable is pulled.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self.round_trips = 0
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        directions = (
            asyncio.create_task(self._copy(upstream_reader, writer)),
            asyncio.create_task(self._count(reader, upstream_writer)),
        )
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            # Either side may hang up in the middle of anything.
            await asyncio.gather(*directions, return_exceptions=True)
            for end in (writer, upstream_writer):
                end.close()
            await asyncio.gather(
                writer.wait_closed(), upstream_writer.wait_closed(), return_exceptions=True
            )

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started = False
        # The start-up message and requests for encryption have no kind.
        while kind := await reader.read(1) if started else b"-":
            size = await reader.readexactly(4)
            length = int.from_bytes(size, "big") - 4
            body = await reader.readexactly(length)
            started = started or body[:4] == b"\x00\x03\x00\x00"
            self.round_trips += kind in {b"Q", b"S"}
            await self.flowing.wait()
            writer.write((kind if kind != b"-" else b"") + size + body)
            await writer.drain()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            await self.flowing.wait()
            writer.write(chunk)


@asynccontextmanager
async def tapped(database: Database) -> AsyncIterator[tuple[Wire, Database]]:
    """The database behind a wire."""
    parts = urlsplit(database.view_url)
    assert parts.hostname is not None
    assert parts.port is not None
    wire = Wire((parts.hostname, parts.port))
    server = await asyncio.start_server(wire.relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
    yield wire, Database(database.name, database.owner_url, database.worker_url, url)
    server.close()
    await server.wait_closed()
