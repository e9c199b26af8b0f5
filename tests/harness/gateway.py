"""A reverse proxy as in production: it signs the reader in, and the view sees a bearer token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from tests.harness.served import App
from tests.harness.waiting import wait_until

_SECONDS = 20.0
#: What belongs to one connection, and what a browser may not say for itself.
_NOT_PASSED_ON = {b"connection", b"host", b"authorization", b"cookie"}
_OF_THE_CONNECTION = {b"connection", b"transfer-encoding", b"keep-alive"}


class Gateway:
    """Passes every request on with a token. A path of `own` is answered by its application."""

    def __init__(self, target: str, token: str, own: Mapping[str, App] | None = None) -> None:
        self._target = target
        self._token = token
        self._own = own or {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if (app := self._own.get(scope["path"])) is not None:
            await app(scope, receive, send)
            return
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            await self._pass_on(client, scope, send)

    async def _pass_on(self, client: httpx.AsyncClient, scope: Any, send: Any) -> None:
        query = scope["query_string"].decode()
        url = self._target + scope["raw_path"].decode() + (f"?{query}" if query else "")
        headers = [pair for pair in scope["headers"] if pair[0] not in _NOT_PASSED_ON]
        headers.append((b"authorization", b"Bearer " + self._token.encode()))
        async with client.stream(scope["method"], url, headers=headers) as answer:
            kept = [
                (name.lower(), value)
                for name, value in answer.headers.raw
                if name.lower() not in _OF_THE_CONNECTION
            ]
            await send(
                {"type": "http.response.start", "status": answer.status_code, "headers": kept}
            )
            async for portion in answer.aiter_raw():
                await send({"type": "http.response.body", "body": portion, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


class EventStream:
    """Server-Sent Events that a test sends to every browser that is connected."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self._open: dict[asyncio.Queue[str | None], asyncio.AbstractEventLoop] = {}

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.queries.append(scope["query_string"].decode())
        sent: asyncio.Queue[str | None] = asyncio.Queue()
        self._open[sent] = asyncio.get_running_loop()
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        while (text := await sent.get()) is not None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def send(self, event: str, **data: object) -> None:
        """Send an event, once a browser is connected."""
        await wait_until(self._connected, "a browser listens to the events")
        self._put(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    def close(self) -> None:
        """End every stream."""
        self._put(None)

    async def _connected(self) -> bool:
        return bool(self._open)

    def _put(self, text: str | None) -> None:
        for sent, loop in self._open.items():
            loop.call_soon_threadsafe(sent.put_nowait, text)
