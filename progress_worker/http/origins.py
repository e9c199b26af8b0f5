"""Lets scripts of allowed origins read the API from a browser (CORS)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Scope

_SHARED: Final = "/api/"
_EXPOSED: Final = "ETag, X-Request-Id, Content-Language, Retry-After"
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Authorization, If-None-Match, Last-Event-ID, X-Request-Id",
    "Access-Control-Max-Age": "600",
}


class Origins:
    """The origins whose scripts may read answers under `/api/`, errors too.

    Nothing allows credentials: a script sends its token itself, and a browser adds no cookie.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed)

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a browser that asks what a script may send. None to anybody else."""
        given = {name for name, _ in scope["headers"]}
        if (
            scope["method"] != "OPTIONS"
            or b"access-control-request-method" not in given
            or self._origin(scope) is None
        ):
            return None
        return Response(status_code=204, headers=_PREFLIGHT)

    def share(self, scope: Scope, start: Message) -> None:
        """Add to the head of an answer who may read it."""
        if not scope["path"].startswith(_SHARED):
            return
        headers = MutableHeaders(raw=start["headers"])
        headers.add_vary_header("Origin")
        origin = self._origin(scope)
        if origin is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _origin(self, scope: Scope) -> str | None:
        """The request's origin, if the API is shared with it."""
        if not scope["path"].startswith(_SHARED):
            return None
        given = [value for name, value in scope["headers"] if name == b"origin"]
        if len(given) == 1 and given[0] in self._allowed:
            return str(given[0].decode())
        return None
