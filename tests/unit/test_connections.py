"""Which connections stay open when there are too many, on real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from progress_worker.embedded.ports import LOOPBACK
from progress_worker.errors import ConfigurationError
from progress_worker.http.serving.connections import (
    KEEP_ALIVE_SECONDS,
    Connection,
    Connections,
    listen,
    most_connections,
)

#: More than the kernel takes for a client that does not read.
LONG = bytes(20_000_000)

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server(Connection):
    """Greets a client. A byte is a request whose answer never ends.

    `!` asks for a long answer, and `~` for one that lasts as long as the client wants.
    """

    def __init__(self, connections: Connections) -> None:
        self.open_connections = connections
        self.asked = False

    @property
    def in_request(self) -> bool:
        return self.asked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.opened_transport.write(b"+")

    def data_received(self, data: bytes) -> None:
        self.asked = True
        super().data_received(data)
        self.opened_transport.write(data)
        if data == b"!":
            self.opened_transport.write(LONG)
            self.asked = False
            self.open_connections.answered(self)
        if data == b"~":
            self.lasts()


Connect = Callable[[], Awaitable[Client]]


@asynccontextmanager
async def serving(connections: Connections) -> AsyncIterator[Connect]:
    """A server, and what connects to it."""
    loop = asyncio.get_running_loop()
    writers = []
    async with await loop.create_server(lambda: Server(connections), LOOPBACK, 0) as server:
        address = server.sockets[0].getsockname()

        async def connect() -> Client:
            reader, writer = await asyncio.open_connection(*address)
            writers.append(writer)
            return reader, writer

        yield connect
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def idle(connect: Connect) -> Client:
    client = await connect()
    assert await client[0].readexactly(1) == b"+"
    return client


async def busy(connect: Connect) -> Client:
    client = await idle(connect)
    assert await is_open(client)
    return client


async def is_open(client: Client) -> bool:
    """Whether the other side still answers; writes to it, which makes it busy."""
    reader, writer = client
    writer.write(b"?")
    try:
        return await asyncio.wait_for(reader.read(1), 10) == b"?"
    except ConnectionError:
        return False


def test_an_idle_connection_outlives_that_of_a_load_balancer() -> None:
    """Load balancers close theirs after 60 s. One that ours closed first would be a 502."""
    assert KEEP_ALIVE_SECONDS == 75


async def test_the_one_that_is_idle_for_longest_makes_room() -> None:
    async with serving(Connections(3)) as connect:
        clients = [await busy(connect), *[await idle(connect) for _ in range(3)]]
        assert [await is_open(client) for client in clients] == [True, False, True, True]


async def test_when_all_are_busy_one_more_is_refused() -> None:
    async with serving(Connections(2)) as connect:
        clients = [await busy(connect), await busy(connect), await connect()]
        assert [await is_open(client) for client in clients] == [True, True, False]


async def test_an_answer_that_never_ends_makes_room() -> None:
    async with serving(Connections(2, answer_seconds=0)) as connect:
        clients = [await busy(connect) for _ in range(3)]
        assert [await is_open(client) for client in clients] == [False, True, True]


async def test_an_answer_that_lasts_as_long_as_its_client_wants_makes_no_room() -> None:
    async with serving(Connections(2, answer_seconds=0)) as connect:
        lasting = await idle(connect)
        lasting[1].write(b"~")
        assert await lasting[0].readexactly(1) == b"~"
        clients = [await busy(connect) for _ in range(2)]
        assert [await is_open(client) for client in (lasting, *clients)] == [True, False, True]


async def test_when_all_last_as_long_as_they_want_one_more_is_refused() -> None:
    async with serving(Connections(1, answer_seconds=0)) as connect:
        lasting = await idle(connect)
        lasting[1].write(b"~")
        assert await lasting[0].readexactly(1) == b"~"
        assert not await is_open(await connect())
        lasting[1].write(b"?")
        assert await lasting[0].readexactly(1) == b"?"
        lasting[1].close()
        await lasting[1].wait_closed()
        await asyncio.sleep(0.1)
        await busy(connect)


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with serving(Connections(2, answer_seconds=0.2)) as connect:
        reader, writer = await idle(connect)
        writer.write(b"!")
        await asyncio.sleep(1)
        received = 0
        with suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(1_000_000), 10):
                received += len(part)
        assert received < len(LONG)


async def test_a_client_that_reads_in_time_stays() -> None:
    async with serving(Connections(2, answer_seconds=3)) as connect:
        client = await idle(connect)
        client[1].write(b"!")
        await client[0].readexactly(1 + len(LONG))
        await asyncio.sleep(3.5)
        assert await is_open(client)


def test_too_few_files_and_a_taken_port_are_one_sentence_each() -> None:
    with pytest.raises(
        ConfigurationError, match=r"The limit of open files \(`ulimit -n`\) is \d+:"
    ):
        most_connections(1_000, 2**40)
    with listen(LOOPBACK, 0, "VIEW_PORT") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigurationError, match=f"PROGRESS_VIEW_PORT is wrong: .* port {port};"
        ):
            listen(LOOPBACK, port, "VIEW_PORT")


def test_a_second_write_does_not_wait_for_the_client() -> None:
    with listen(LOOPBACK, 0, "VIEW_PORT") as listener:
        client = socket.create_connection(listener.getsockname(), timeout=5)
        accepted, _ = listener.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
