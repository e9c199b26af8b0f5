"""The view as an ASGI application: finds the endpoint, and gives each answer what all have."""

from __future__ import annotations

import http
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from progress_worker.errors import TransientError
from progress_worker.http.compression import compress
from progress_worker.http.context import ViewContext
from progress_worker.http.endpoints import Call, Endpoint, Endpoints, refuse_as_problem
from progress_worker.http.origins import Origins
from progress_worker.http.problems import ALLOW, InvalidRequestError, problem, problem_of
from progress_worker.telemetry.outages import Outage

_METRICS: Final = "/metrics"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES: Final = frozenset({"/livez", "/readyz", _METRICS})
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)

_log = structlog.get_logger()


class Front:
    """Answers every request: by its endpoint, or with what went wrong.

    Gives each answer an id and the headers that all have, counts it and logs it. A log line holds
    the path's template, never the query, the token or the learner. If a dependency is away, it also
    holds the reason. A probe that fails for it is logged as an outage.

    With a `metrics_port`, `/metrics` is served on that port, and nothing else there. `origins` are
    those whose scripts may read the API. `close` closes the view's connections; the server has it
    called at the end.
    """

    def __init__(
        self,
        context: ViewContext,
        endpoints: Endpoints,
        close: Callable[[], Awaitable[None]],
        metrics_port: int | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.context = context
        self._endpoints = endpoints
        self.close = close
        self._metrics_port = metrics_port
        self._origins = origins
        self._outage = Outage("view_unavailable")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's life from start to end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        scope["state"] = {"request_id": _request_id(scope)}
        structlog.contextvars.bind_contextvars(request_id=scope["state"]["request_id"])
        endpoint, in_path = self._find(scope)
        route = endpoint.path if endpoint else "unmatched"
        answer = _Answer(send, scope, self._origins)
        in_progress = self.context.metrics.requests_in_progress
        started = time.perf_counter()
        in_progress.inc()
        try:
            request = Request(scope, receive)
            response = await self._respond(request, endpoint, in_path)
            await compress(request, response, self.context.computing)
            await response(scope, receive, answer.send)
        except Exception:
            _log.exception("view_request_failed", route=route)
            if answer.status is not None:
                raise  # Cuts the answer off, so that nobody takes it for complete.
            failed = problem(answer.request_id, 500, "Something went wrong on our side.")
            await failed(scope, receive, answer.send)
        finally:
            in_progress.dec()
            self._record(scope, route, answer.status, time.perf_counter() - started)

    def _find(self, scope: Scope) -> tuple[Endpoint | None, str | None]:
        path = scope["path"]
        if self._metrics_port is not None:
            _, port = scope["server"]
            if (port == self._metrics_port) != (path == _METRICS):
                return None, None
        return self._endpoints.find(path)

    async def _respond(
        self, request: Request, endpoint: Endpoint | None, in_path: str | None
    ) -> Response:
        """The endpoint's answer, or that of an expected error."""
        if endpoint is None:
            absent = HTTPException(404, "There is no such path.")
            return problem_of(request.scope["state"]["request_id"], absent)
        call = Call(request, self.context, endpoint, in_path)
        if request.method not in {"GET", "HEAD"}:
            return self._preflight(call) or refuse_as_problem(
                call, HTTPException(405, headers={"Allow": ALLOW})
            )
        try:
            return await endpoint.handle(call)
        except TransientError as error:
            request.scope["state"]["unavailable"] = str(error)
            return endpoint.refuse(call, error)
        except (HTTPException, InvalidRequestError) as error:
            return endpoint.refuse(call, error)

    def _preflight(self, call: Call) -> Response | None:
        return self._origins.preflight(call.request.scope) if self._origins else None

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _record(self, scope: Scope, route: str, status: int | None, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self.context.metrics.observe_request(route, method, str(status or "none"), seconds)
        reason = scope["state"].get("unavailable")
        if route == "/readyz":
            self._observe_readiness(status, reason)
        # Probes come every few seconds. Their result is logged only when it changes.
        expected = route in _PROBES and (status == http.HTTPStatus.OK or reason)
        log = _log.debug if expected else _log.warning if reason else _log.info
        entry: dict[str, Any] = {"reason": reason} if reason else {}
        milliseconds = round(seconds * 1_000, 1)
        log(
            "view_request",
            method=method,
            route=route,
            status=status,
            milliseconds=milliseconds,
            **entry,
        )

    def _observe_readiness(self, status: int | None, reason: str | None) -> None:
        if reason:
            self._outage.met(reason)
        elif status == http.HTTPStatus.OK:
            self._outage.over()


class _Answer:
    """Passes an answer on with the headers that every answer has. Remembers its status."""

    def __init__(self, send: Send, scope: Scope, origins: Origins | None) -> None:
        self._send = send
        self._scope = scope
        self._origins = origins
        self.request_id: str = scope["state"]["request_id"]
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            own = message["headers"]
            given = {name for name, _ in own}
            message["headers"] = [
                *own,
                (b"x-request-id", self.request_id.encode()),
                *(header for header in _SECURITY if header[0] not in given),
            ]
            if self._origins is not None:
                self._origins.share(self._scope, message)
        await self._send(message)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _REQUEST_ID.fullmatch(value) else uuid4().hex
    return uuid4().hex
