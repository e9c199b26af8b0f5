"""Gives every request its id, log line, metrics and headers, and answers 500 as a last resort."""

from __future__ import annotations

import http
import re
import time
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from progress_worker.http.metrics import ViewMetrics
from progress_worker.http.problems import problem
from progress_worker.telemetry.outages import Outage

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES: Final = frozenset({"/livez", "/readyz", "/metrics"})
_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class RequestMiddleware:
    """Gives each request its id, counts and logs it, and answers 500 if nothing else answers.

    A log line holds the route's template, never the query, the token or the learner. If a
    dependency is away, it also holds the reason. A probe that fails for it is logged as an outage.
    """

    def __init__(self, app: ASGIApp, metrics: ViewMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._outage = Outage("view_unavailable")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            self._metrics.requests_in_progress.track_inprogress(),
        ):
            try:
                await self._app(scope, receive, answer.send)
            except Exception:
                structlog.get_logger().exception("view_request_failed", route=_route(scope))
                if answer.status is not None:
                    raise  # Cuts the answer off, so that nobody takes it for complete.
                failed = problem(request_id, 500, "Something went wrong on our side.")
                await failed(scope, receive, answer.send)
            finally:
                self._record(scope, answer.status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int | None, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = _route(scope)
        self._metrics.request_seconds.labels(route, method, str(status or "none")).observe(seconds)
        reason = scope["state"].get("unavailable")
        if route == "/readyz":
            self._observe_readiness(status, reason)
        log = structlog.get_logger().bind(**({"reason": reason} if reason else {}))
        # Probes come every few seconds. Their result is logged only when it changes.
        expected = route in _PROBES and (status == http.HTTPStatus.OK or reason)
        (log.debug if expected else log.warning if reason else log.info)(
            "view_request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1_000, 1),
        )

    def _observe_readiness(self, status: int | None, reason: str | None) -> None:
        if reason:
            self._outage.met(reason)
        elif status == http.HTTPStatus.OK:
            self._outage.over()


class MetricsPortMiddleware:
    """Serves `/metrics` on a port of its own, and nothing else there."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; 404 at the wrong port."""
        if scope["type"] == "http":
            _, port = scope["server"]
            if (port == self._port) != (scope["path"] == "/metrics"):
                absent = problem(scope["state"]["request_id"], 404, "There is no such path.")
                await absent(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Answer:
    """Passes an answer on with the headers that every answer has. Remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in _SECURITY.items():
                headers.setdefault(name, value)
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path_format", "unmatched")
