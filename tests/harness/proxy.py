"""A TCP proxy between a worker and a dependency. It can be cut, stalled and slowed."""

from __future__ import annotations

import asyncio
from typing import Self

from progress_worker.embedded.ports import LOOPBACK, free_port

_READ_BYTES = 65_536
_CONNECT_SECONDS = 10.0


class Proxy:
    """Passes connections on from `port` to `target_port`, both on this machine.

    The port is known at once, so that a server can advertise it from its start.
    """

    def __init__(self, target_port: int | None = None) -> None:
        self.port = free_port()
        self.target_port = target_port
        self.connections = 0
        self._passing = asyncio.Event()
        self._passing.set()
        self._cut = False
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> str:
        """Where it listens, `127.0.0.1:port`."""
        return f"{LOOPBACK}:{self.port}"

    def cut(self) -> None:
        """Reset every connection, and every new one, until `restore`."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Take what is sent and pass nothing on until `restore`; connections stay open."""
        self._passing.clear()

    def slow(self, delay_seconds: float) -> None:
        """Delay everything, in both directions, until `restore`."""
        self._delay = delay_seconds

    def restore(self) -> None:
        """Pass everything on again; what was held back goes on its way."""
        self._cut = False
        self._delay = 0.0
        self._passing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if not self._cut:
                await self._connect(reader, writer)
        except (OSError, TimeoutError):
            pass  # the target is away or one side hung up, so the proxy hangs up too
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_CONNECT_SECONDS):
            answers, questions = await asyncio.open_connection(LOOPBACK, self.target_port)
        self._writers.add(questions)
        ways = [
            asyncio.create_task(self._pass(reader, questions)),
            asyncio.create_task(self._pass(answers, writer)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            questions.transport.abort()
            self._writers.discard(questions)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_READ_BYTES):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
