"""A view as a process, started by its command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

from progress_worker.embedded.ports import LOOPBACK, free_port
from tests.harness.forking import Process, started
from tests.harness.waiting import LIMIT_SECONDS, wait_until
from tests.harness.worker import environment


class ViewProcess:
    """A view that is ready inside `async with`, and gone after it."""

    def __init__(
        self,
        variables: Mapping[str, str],
        directory: Path,
        command: Sequence[str] | None = None,
        *,
        await_ready: bool = True,
    ) -> None:
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        self._variables = dict(variables) | {"VIEW_HOST": LOOPBACK, "VIEW_PORT": str(port)}
        self._log = directory / f"view-{port}.log"
        self._command = command
        self._await_ready = await_ready

    async def __aenter__(self) -> Self:
        self.process = self._start()
        if self._await_ready:
            try:
                await wait_until(self.ready, "the view is ready")
            except BaseException:
                await self.__aexit__()
                raise
        return self

    def _start(self) -> Process:
        return started("api", self._command, environment(self._variables), self._log)

    async def __aexit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            await asyncio.to_thread(self.process.wait, LIMIT_SECONDS)
        finally:
            self.process.kill()

    async def ready(self) -> bool:
        """Whether the readiness probe says so; a view that ended never will be."""
        assert self.process.poll() is None, self.said()
        async with httpx.AsyncClient(timeout=5) as client:
            try:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    def said(self) -> str:
        """Everything that the view logged."""
        return self._log.read_text(errors="replace")
