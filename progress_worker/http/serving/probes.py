"""The worker's probes, and their server: that of Faust, with limits on its connections."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

import faust
from aiohttp.web import (
    Application,
    AppRunner,
    Request,
    Response,
    Server,
    SockSite,
    StreamResponse,
    json_response,
)
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from faust.web.drivers.aiohttp import Web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from progress_worker.http.serving.connections import (
    ACCEPTED_AT_ONCE,
    HEAD_SECONDS,
    KEEP_ALIVE_SECONDS,
    Connection,
    Connections,
    listen,
    most_connections,
    restore_backlog,
)

#: The most connections. Probes and Prometheus need a handful.
_MOST: Final = 64
#: Open files for connections to Postgres and to brokers.
_OTHER_FILES: Final = 64


class _Protocol(Connection, RequestHandler):
    @property
    def in_request(self) -> bool:
        return self._request_in_progress or bool(self._messages)

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.open_connections.answered(self)


class _Server(Server):
    def __init__(self, server: Server, connections: Connections) -> None:
        """Take the place of a server that was made for an application."""
        super().__init__(server.request_handler, request_factory=server.request_factory)
        self._open_connections = connections

    def __call__(self) -> RequestHandler:
        protocol = _Protocol(self, loop=self._loop, keepalive_timeout=KEEP_ALIVE_SECONDS)
        protocol.open_connections = self._open_connections
        return protocol


class _Runner(AppRunner):
    def __init__(self, app: Application, head_seconds: float) -> None:
        super().__init__(app)
        self._connections = Connections(most_connections(_MOST, _OTHER_FILES), head_seconds)

    async def _make_server(self) -> Server:
        return _Server(await super()._make_server(), self._connections)


class ProbeServer(Web):
    """Faust's web server, which serves what `app.page` makes."""

    def __init__(self, app: faust.App, head_seconds: float = HEAD_SECONDS) -> None:
        super().__init__(app)
        self._runner = _Runner(self.web_app, head_seconds)
        self._listener: socket.socket | None = None

    def _new_transport_tcp(self) -> SockSite:
        conf = self.app.conf
        self._listener = listen(conf.web_bind, conf.web_port, "WEB_PORT")
        return SockSite(self._runner, self._listener, backlog=ACCEPTED_AT_ONCE)

    async def start_server(self) -> None:
        """Listen. If the port is taken, the worker ends."""
        await super().start_server()
        if self._listener is not None:
            restore_backlog(self._listener)


def add_probes(
    app: faust.App, obstacles: Callable[[], list[str]], registry: CollectorRegistry
) -> None:
    """Serve `/livez`, `/metrics` and `/readyz`, which is 503 while there are obstacles."""

    async def livez(_view: Any, _request: Request) -> Response:
        return json_response({"status": "alive"})

    async def readyz(_view: Any, _request: Request) -> Response:
        found = obstacles()
        return json_response({"obstacles": found}, status=503 if found else 200)

    async def metrics(_view: Any, _request: Request) -> Response:
        body = generate_latest(registry)
        return Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    for path, view in (("/livez", livez), ("/readyz", readyz), ("/metrics", metrics)):
        app.page(path, name=path)(view)  # type: ignore[arg-type]  # aiohttp's own types
