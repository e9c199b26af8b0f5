"""The server of the view: uvicorn, with limits on its connections."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from progress_worker.http.serving.connections import (
    ACCEPTED_AT_ONCE,
    CONNECTION,
    KEEP_ALIVE_SECONDS,
    Connection,
    Connections,
    restore_backlog,
)

_GRACEFUL_SHUTDOWN_SECONDS: Final = 15


#: The largest head of a request. A token has 8 KiB at most.
_MOST_HEAD_BYTES: Final = 64 * 1024


class _Protocol(Connection, HttpToolsProtocol):
    def __init__(self, connections: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.open_connections = connections
        self._head_bytes = 0

    @property
    def in_request(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def data_received(self, data: bytes) -> None:
        # The parser keeps a head of any size.
        self._head_bytes = 0 if self.in_request else self._head_bytes + len(data)
        if self._head_bytes > _MOST_HEAD_BYTES:
            self.send_400_response("The head of the request is too large.")
            return
        super().data_received(data)
        if self.in_request:
            self._head_bytes = 0
            self._introduce()

    def on_response_complete(self) -> None:
        self.open_connections.answered(self)
        self._head_bytes = 0
        super().on_response_complete()
        if self.in_request:  # a request that came before this answer was complete
            self.open_connections.heard(self)
            self._introduce()

    def _introduce(self) -> None:
        """Show the connection to the application, which has not begun with the request yet."""
        scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]
        scope[CONNECTION] = self


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            restore_backlog(listener)


def run(
    app: Any,
    listeners: Sequence[socket.socket],
    connections: Connections,
    stopping: Callable[[], None],
) -> None:
    """Serve until a signal ends it. Requests that have begun then have 15 seconds to finish.

    Calls `stopping` first, which ends what would last longer.
    The application logs requests without their queries, so uvicorn's own log is off.
    """
    config = uvicorn.Config(
        app,
        http=partial(_Protocol, connections),  # type: ignore[arg-type]  # called as a class is
        loop="uvloop",
        ws="none",
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_SECONDS,
    )
    with suppress(KeyboardInterrupt):
        _Server(config, stopping).run(list(listeners))
