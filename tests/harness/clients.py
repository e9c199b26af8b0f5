"""Clients that send nothing or never finish a request."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

#: How long anything may take on a busy machine.
PATIENCE_SECONDS = 20
REQUEST = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
HALF_A_HEAD = REQUEST[:-2] + b"X-"
#: The beginning of a request that takes too long, and the piece that is sent now and then.
SLOW = {
    "nothing": (b"", b""),
    "half a head": (HALF_A_HEAD, b""),
    "a head byte by byte": (HALF_A_HEAD, b"x"),
    "a second head byte by byte": (REQUEST + HALF_A_HEAD, b"x"),
    "a body byte by byte": (
        b"POST /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n",
        b"x",
    ),
    "a body chunk by chunk": (
        b"GET /livez HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n",
    ),
}


@contextmanager
def clients(address: tuple[str, int], count: int, sent: bytes) -> Iterator[None]:
    """Open `count` connections, send this on each, and read nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = socket.create_connection(address, PATIENCE_SECONDS)
            stack.enter_context(connection).sendall(sent)
        yield


def seconds_open(address: tuple[str, int], sent: bytes, drip: bytes) -> float:
    """How long a server keeps a connection open on which a little arrives now and then."""
    started = time.monotonic()
    with socket.create_connection(address, PATIENCE_SECONDS) as connection:
        connection.sendall(sent)
        connection.settimeout(0.1)
        while time.monotonic() - started < PATIENCE_SECONDS:
            try:
                connection.send(drip)
                if connection.recv(65_536) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    return time.monotonic() - started
