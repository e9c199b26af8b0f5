"""Workers of one deployment under a supervisor that replaces those that end by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import Self

from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess

_LOOK_SECONDS = 0.1
_STOP_SECONDS = 30.0
_STOPPED_ORDERLY = 0


class Fleet:
    """A number of workers, each replaced when it ends; `ends` are the exit statuses so far."""

    def __init__(
        self,
        deployment: Deployment,
        size: int = 1,
        command: Sequence[str] | None = None,
        *,
        await_ready: bool = True,
    ) -> None:
        self.ends: list[int] = []
        self.last_words: list[str] = []
        self._deployment = deployment
        self._size = size
        self._command = command
        self._await_ready = await_ready
        self._workers: list[WorkerProcess] = []
        self._posts: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.scale(self._size)
        if self._await_ready:
            await wait_until(self.ready, "all workers are ready")
        return self

    async def __aexit__(self, *_: object) -> None:
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)

    @property
    def workers(self) -> Sequence[WorkerProcess]:
        """The workers that run now, the oldest first."""
        return [worker for worker in self._workers if worker.process.poll() is None]

    async def scale(self, size: int) -> None:
        """Start or stop workers; those that stop must do so in order and within a time limit."""
        while len(self._posts) < size:
            self._posts.append(asyncio.create_task(self._supervise()))
        surplus, self._posts = self._posts[size:], self._posts[:size]
        for post in surplus:
            post.cancel()
        await asyncio.gather(*surplus, return_exceptions=True)

    def kill(self, number: int = 0) -> None:
        """Send SIGKILL to one of the running workers, if there is one."""
        if number < len(self.workers):
            self.workers[number].kill()

    async def ready(self) -> bool:
        """Whether every worker is running and ready."""
        if len(self.workers) < len(self._posts):
            return False
        answers = [await worker.get("/readyz") for worker in self.workers]
        return all(answer is not None and answer.status_code == 200 for answer in answers)

    def times_said(self, text: str) -> int:
        """How often the text is in the logs of the running workers."""
        return sum(worker.said().count(text) for worker in self.workers)

    async def says(self, text: str) -> None:
        """Wait until one of the running workers logs it, from this moment on."""
        before = self.times_said(text)

        async def said() -> bool:
            return self.times_said(text) > before

        await wait_until(said, f"a worker says {text}")

    async def _supervise(self) -> None:
        while True:
            async with self._deployment.worker(self._command, await_ready=False) as worker:
                self._workers.append(worker)
                try:
                    status = await _ended(worker)
                except asyncio.CancelledError:
                    await self._stop(worker)
                    raise
                finally:
                    self._workers.remove(worker)
            self.ends.append(status)
            if status not in {_STOPPED_ORDERLY, -signal.SIGKILL}:
                self.last_words.append(worker.said()[-2_000:])

    async def _stop(self, worker: WorkerProcess) -> None:
        worker.process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                self.ends.append(await _ended(worker))


async def _ended(worker: WorkerProcess) -> int:
    while True:
        if (status := worker.process.poll()) is not None:
            return status
        await asyncio.sleep(_LOOK_SECONDS)
