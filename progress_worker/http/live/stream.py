"""One client's stream: what waits to be sent, and when the stream ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from progress_worker.http.live.events import BEGINNING, HEARTBEAT, Position

#: What may wait for a client that does not read, beside one portion of any size.
_MOST_WAITING_BYTES: Final = 65_536


class Stream:
    """What waits for one client, who has seen everything up to `position`.

    `position` is None for a client that does not say what it has seen. The stream ends at `ends_at`
    of the event loop's clock, when it is closed, and when its client does not read what waits.
    `accepted_languages` is the header of the request that opened it.
    """

    def __init__(
        self,
        user_id: str,
        position: Position | None,
        *,
        ends_at: float,
        heartbeat_seconds: float,
        accepted_languages: str = "",
    ) -> None:
        """Begin; needs a running event loop."""
        self.user_id = user_id
        self.accepted_languages = accepted_languages
        self.asked_from = position
        self.position = position or BEGINNING
        #: Whether the client has been sent what it had missed.
        self.joined = False
        #: Why the stream has ended.
        self.ended: str | None = None
        #: Called once at the end.
        self.on_end: Callable[[], None] = lambda: None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._awake = asyncio.Event()
        self._heartbeat_seconds = heartbeat_seconds
        loop = asyncio.get_running_loop()
        self._end = loop.call_at(ends_at, self.end, "expired")
        # Streams that began together do not all beat together.
        self._beat = loop.call_later(heartbeat_seconds * random.random(), self._heartbeat)  # noqa: S311

    def put(self, portion: bytes) -> None:
        """Send this soon. Ends the stream if too much waits already."""
        if self.ended is not None:
            return
        self._waiting_bytes += len(portion)
        if self._waiting and self._waiting_bytes > _MOST_WAITING_BYTES:
            self.end("slow")
            return
        self._waiting.append(portion)
        self._awake.set()

    def end(self, reason: str) -> None:
        """End the stream after what waits already; an ended one stays as it is."""
        if self.ended is not None:
            return
        self.ended = reason
        self._end.cancel()
        self._beat.cancel()
        self._awake.set()
        self.on_end()

    async def next(self) -> bytes | None:
        """What waits, once something does; None at the end."""
        await self._awake.wait()
        portion = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        if self.ended is None:
            self._awake.clear()
        return portion or None

    def _heartbeat(self) -> None:
        if not self._waiting:
            self.put(HEARTBEAT)
        loop = asyncio.get_running_loop()
        self._beat = loop.call_later(self._heartbeat_seconds, self._heartbeat)
