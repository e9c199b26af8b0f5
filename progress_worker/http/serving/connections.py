"""Limits how many client connections a server keeps open, and how long a request may take."""

from __future__ import annotations

import asyncio
import resource
import socket
from typing import Final, cast

import structlog

from progress_worker.errors import ConfigurationError
from progress_worker.settings.complaints import cannot_listen

#: Longer than load balancers wait, so that they close idle connections and the server does not.
KEEP_ALIVE_SECONDS: Final = 75
#: A server accepts few connections at once, so that it closes old ones in between.
ACCEPTED_AT_ONCE: Final = 16
#: Where an application finds the connection in a request's scope.
CONNECTION: Final = "progress.connection"
#: The time limit of a request's head.
HEAD_SECONDS: Final = 10.0

#: Every answer except a long export is sent within this time if its client reads it.
_ANSWER_SECONDS: Final = 30.0
_BACKLOG: Final = 2_048
#: Open files besides connections: logs, listeners, look-ups, sockets that were just accepted.
_SPARE_FILES: Final = 96
_FEWEST: Final = 16

_NO_REQUEST: Final = "no_request"

_log = structlog.get_logger()


class Connections:
    """The connections of a server, of which at most `most` stay open.

    If one more arrives, the connection is closed that has had no request for longest. If all have a
    request, the one whose request is oldest is closed if its answer has taken longer than
    `answer_seconds`. Otherwise the new connection is refused.

    A connection is also closed if the head of a request takes longer than `head_seconds`. For the
    first request the time begins with the connection, for later ones with the head's first byte.
    And it is closed if the client has not read an answer `answer_seconds` after its end.

    An answer that lasts as long as its client wants is never closed for its age.
    """

    def __init__(
        self,
        most: int,
        head_seconds: float = HEAD_SECONDS,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        self._most = most
        self._head_seconds = head_seconds
        self._answer_seconds = answer_seconds
        self._waiting: dict[Connection, asyncio.TimerHandle | None] = {}
        self._answering: dict[Connection, float] = {}
        self._lasting: set[Connection] = set()

    def opened(self, connection: Connection) -> None:
        """Take a new connection in, or close it."""
        if self._open >= self._most and not self._make_room():
            self._close(connection, "refused")
            return
        self._waiting[connection] = self._head_timer(connection)

    def heard(self, connection: Connection) -> None:
        """Take note that bytes have arrived."""
        if connection not in self._waiting:
            return
        timer = self._waiting[connection]
        if connection.in_request:
            self.closed(connection)
            self._answering[connection] = asyncio.get_running_loop().time()
        elif timer is None:
            self._waiting[connection] = self._head_timer(connection)

    def lasts(self, connection: Connection) -> None:
        """Take note that the answer to a request lasts as long as its client wants."""
        if self._answering.pop(connection, None) is not None:
            self._lasting.add(connection)

    def answered(self, connection: Connection) -> None:
        """Take note that the answer to a request is complete."""
        if connection in self._lasting:
            self._lasting.remove(connection)
        elif self._answering.pop(connection, None) is None:
            return
        self._waiting[connection] = None
        if connection.opened_transport.get_write_buffer_size():
            loop = asyncio.get_running_loop()
            self._waiting[connection] = loop.call_later(
                self._answer_seconds, self._close_unread, connection
            )

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        timer = self._waiting.pop(connection, None)
        if timer is not None:
            timer.cancel()
        self._answering.pop(connection, None)
        self._lasting.discard(connection)

    @property
    def _open(self) -> int:
        return len(self._waiting) + len(self._answering) + len(self._lasting)

    def _head_timer(self, connection: Connection) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(self._head_seconds, self._close, connection, _NO_REQUEST)

    def _close_unread(self, connection: Connection) -> None:
        if connection.opened_transport.get_write_buffer_size():
            self._close(connection, "unread")
        else:
            self._waiting[connection] = None

    def _make_room(self) -> bool:
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            oldest, since = next(iter(self._answering.items()), (None, 0.0))
            if oldest is None or asyncio.get_running_loop().time() - since < self._answer_seconds:
                return False
        self._close(oldest, "too_many")
        return True

    def _close(self, connection: Connection, reason: str) -> None:
        self.closed(connection)
        log = _log.info if reason == _NO_REQUEST else _log.warning
        log("connection_closed", reason=reason, most=self._most)
        connection.opened_transport.abort()


class Connection(asyncio.Protocol):
    """A base class for a server's protocol that counts it among the connections. Comes first.

    An application finds it in its request's scope, under the key CONNECTION.
    """

    open_connections: Connections
    opened_transport: asyncio.Transport

    @property
    def in_request(self) -> bool:
        """Whether a request has arrived whose answer is not complete."""
        raise NotImplementedError

    def lasts(self) -> None:
        """Say that the answer lasts as long as its client wants."""
        self.open_connections.lasts(self)

    def abort(self) -> None:
        """Close the connection now, with an answer that is not complete."""
        self.opened_transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.opened_transport = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self.open_connections.opened(self)

    def data_received(self, data: bytes) -> None:
        """Go on."""
        super().data_received(data)
        self.open_connections.heard(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self.open_connections.closed(self)
        super().connection_lost(exc)  # type: ignore[arg-type]  # aiohttp's type is wider


def most_connections(wanted: int, other_files: int) -> int:
    """The wanted number, or fewer if the process may not open that many files.

    Raises ConfigurationError if too few are left besides the `other_files`.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    taken = other_files + _SPARE_FILES
    if limit < taken + _FEWEST:
        raise ConfigurationError(
            f"The limit of open files (`ulimit -n`) is {limit}: raise it to {taken + _FEWEST} "
            "or more."
        )
    return min(wanted, limit - taken)


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A socket that listens. Raises ConfigurationError, which names the port's variable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise cannot_listen("VIEW_HOST", host, variable, port, error) from error
    # Connections inherit it. asyncio leaves it out for sockets of this kind, and then a second
    # write waits up to 40 ms until the client has acknowledged the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def restore_backlog(listener: socket.socket) -> None:
    """Let many connections wait in the kernel. asyncio limits its queue to those of one batch."""
    listener.listen(_BACKLOG)
