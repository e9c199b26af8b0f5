"""How every part of the worker stops in time, and how a failure ends the process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, Protocol, cast

import faust
import structlog
from faust.app import BootStrategy
from mode import Service
from mode.types import ServiceT

_log = structlog.get_logger()

#: An orderly end after a failure may hang in a client library. It is cut short after this time.
_END_SECONDS: Final = 20.0
#: How long a stop may take after the drain timeout before it is cut short.
_STOP_SECONDS: Final = 4.0
_EXIT_STATUS: Final = 70
_CANCEL_TRIES: Final = 3
_CANCEL_SECONDS: Final = 0.5


class Stoppable(Protocol):
    """A part of the worker that finishes what it has begun before it stops."""

    async def stop(self) -> None:
        """Return within the drain timeout and a little more."""


async def cancel(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel the tasks and wait until they have ended, for a second or two at most.

    After a first cancellation psycopg asks Postgres to cancel the statement, and waits ten seconds
    for a server that does not answer. A second cancellation ends that.
    """
    running = {task for task in tasks if not task.done()}
    for _ in range(_CANCEL_TRIES):
        if running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=_CANCEL_SECONDS)


class WorkerService(Service):
    """A Faust service whose failure ends the worker process."""

    async def crash(self, reason: BaseException) -> None:
        """Stop the whole worker; the supervisor starts a new one."""
        _log.critical("worker_stops", service=type(self).__name__, reason=str(reason))
        _end_process_after(_END_SECONDS, lambda: _EXIT_STATUS)
        await super().crash(reason)

    async def _stop_futures(self) -> None:
        await cancel(self._futures)


class _Boot(BootStrategy):
    """Starts one more service after the probes and before the consumer."""

    def kafka_consumer(self) -> Iterable[ServiceT]:
        return (*cast(WorkerApp, self.app).before_consumer, *super().kafka_consumer())


class WorkerApp(faust.App):
    """A Faust app whose parts stop at the same time, and whose process ends in time."""

    BootStrategy = _Boot

    #: Services that have started before the consumer does; set before the app starts.
    before_consumer: Sequence[ServiceT] = ()
    _parts: Sequence[Stoppable] = ()
    _drain_seconds = 0.0

    def stop_together(self, *parts: Stoppable, drain_seconds: float) -> None:
        """Stop these parts at the same time, within the drain timeout, before everything else."""
        self._parts = parts
        self._drain_seconds = drain_seconds

    async def on_stop(self) -> None:
        """Stop reading commands, and drain the parts.

        A client library may hang if its server does. So the process ends soon after the drain
        timeout in any case. That loses nothing: what is not committed is done again.
        """
        if self.in_worker:
            _end_process_after(self._drain_seconds + _STOP_SECONDS, self._exit_status)
        await asyncio.gather(super().on_stop(), *(part.stop() for part in self._parts))

    def _exit_status(self) -> int:
        return _EXIT_STATUS if self.crash_reason else 0

    async def _stop_futures(self) -> None:
        await cancel(self._futures)


def _end_process_after(seconds: float, status: Callable[[], int]) -> None:
    def end() -> None:
        _log.warning("stop_cut_short", seconds=seconds)
        os._exit(status())

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
