"""Many clients of the stream of events in one process, which notes when unlocks arrive."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Final
from urllib.parse import urlsplit

#: A learner, an achievement, and when it arrived by the machine's monotonic clock.
Arrival = tuple[str, str, float]

_UNLOCK: Final = re.compile(rb"id: \d+:([a-z0-9_]+)\nevent: achievement\n")
_END: Final = b"\n\n"
_AT_ONCE: Final = 50


class _Client(asyncio.Protocol):
    """One stream; `opened` is done with its first event."""

    def __init__(self, user_id: str, token: str, arrivals: list[Arrival]) -> None:
        self.opened = asyncio.get_running_loop().create_future()
        self._user_id = user_id
        self._token = token
        self._arrivals = arrivals
        self._text = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        lines = "GET /api/progress/events HTTP/1.1", "Host: x", f"Authorization: {self._token}"
        assert isinstance(transport, asyncio.Transport)
        transport.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())

    def data_received(self, data: bytes) -> None:
        """Note the unlocks among the events that are complete."""
        now = time.monotonic()
        self._text += data
        complete, end, self._text = self._text.rpartition(_END)
        if not end:
            return
        for name in _UNLOCK.findall(complete):
            self._arrivals.append((self._user_id, name.decode(), now))
        if b"event: " in complete and not self.opened.done():
            self.opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody closes a stream while it is measured."""
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError("the stream was refused"))


def listen(url: str, tokens: Mapping[str, str], parent: Connection) -> None:
    """Open a stream for each learner, say how many there are, and at a word what was heard."""
    asyncio.run(_listen(url, tokens, parent))


async def _listen(url: str, tokens: Mapping[str, str], parent: Connection) -> None:
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 0
    arrivals: list[Arrival] = []
    loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)

    async def open_one(user_id: str, token: str) -> None:
        async with slots:
            _, client = await loop.create_connection(
                lambda: _Client(user_id, token, arrivals), host, port
            )
            await client.opened

    await asyncio.gather(*(open_one(*each) for each in tokens.items()))
    parent.send(len(tokens))
    await asyncio.to_thread(parent.recv)
    parent.send(arrivals)
