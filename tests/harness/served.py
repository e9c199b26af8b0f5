"""An ASGI application behind a real socket, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from progress_worker.embedded.ports import LOOPBACK, free_port

App = Callable[[Any, Any, Any], Awaitable[None]]

_SECONDS = 20.0


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serve the application; gives its address."""
    port = free_port()
    config = uvicorn.Config(
        app,
        LOOPBACK,
        port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(_SECONDS) // 2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _wait_until_started(server)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        thread.join(_SECONDS)
        assert not thread.is_alive()


def _wait_until_started(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + _SECONDS
    while not server.started:
        assert time.monotonic() < deadline, "the application does not start"
        time.sleep(0.02)
