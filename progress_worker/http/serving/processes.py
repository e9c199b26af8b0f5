"""Runs a server in several processes that accept connections from the same sockets."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import ForkProcess
from socket import socket
from types import FrameType
from typing import Final

import structlog

from progress_worker.errors import FatalError, ProgressError

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
#: The status of a process that cannot do its work, and has said why.
_CANNOT_START: Final = 78
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
#: A process that has run for so long ended for a new reason.
_SETTLED_SECONDS: Final = 60.0
#: Longer than a server takes to let its requests finish.
_STOP_SECONDS: Final = 25.0
_LOOK_SECONDS: Final = 1.0

_forking = multiprocessing.get_context("fork")
_log = structlog.get_logger()


@dataclass
class _Place:
    """The place of one process, and when its next one may start."""

    number: int
    process: ForkProcess | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS


class Processes:
    """Keeps `count` processes running until a signal ends them.

    In each process, `serve` is called with the number of its place, from 0. It returns after a
    SIGTERM. `ended` is called, in the parent, with the number of a place whose process has ended.

    A process that dies is replaced, after a pause that grows from 1 to 30 seconds. If one raises a
    ProgressError, it prints its sentence, and all end. If the parent dies, the others end too.
    """

    def __init__(
        self,
        count: int,
        listeners: Sequence[socket],
        serve: Callable[[int], None],
        ended: Callable[[int], None],
    ) -> None:
        self._places = [_Place(number) for number in range(count)]
        self._listeners = listeners
        self._serve = serve
        self._ended = ended
        self._stop_at: float | None = None
        self._failed = 0
        self._parent_lives, self._held_by_parent = os.pipe()

    def run(self) -> None:
        """Run the processes. Raises FatalError if one could not start or did not end in order."""
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            while self._go_on():
                running = [place.process.sentinel for place in self._places if place.process]
                connection.wait(running, _LOOK_SECONDS)
                self._collect()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._held_by_parent)
            os.close(self._parent_lives)
        if self._failed:
            raise FatalError(f"{self._failed} of the view's processes did not end in order.")

    def _go_on(self) -> bool:
        """Start the processes that are due, unless all are to end. Whether any runs or will run."""
        now = time.monotonic()
        if self._stop_at is None:
            for place in self._places:
                if place.process is None and place.due_at <= now:
                    self._start(place)
            return True
        running = [place.process for place in self._places if place.process]
        if now > self._stop_at:
            for process in running:
                process.kill()
        return bool(running)

    def _start(self, place: _Place) -> None:
        # A signal between the fork and the child's own handlers would run the parent's handler.
        with _held_back():
            if self._stop_at is not None:
                return
            place.process = _forking.Process(target=self._begin, args=(place.number,))
            place.started_at = time.monotonic()
            place.process.start()

    def _begin(self, number: int) -> None:
        """Be one of the processes."""
        os.setpgid(0, 0)  # Otherwise Ctrl-C would reach it beside the parent's signal.
        os.close(self._held_by_parent)
        for caught in _SIGNALS:
            signal.signal(caught, _exit_in_order)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        threading.Thread(target=self._end_with_parent, daemon=True).start()
        try:
            self._serve(number)
        except ProgressError as error:
            print(error.sentence, file=sys.stderr, flush=True)  # noqa: T201 - as the command does
            sys.exit(_CANNOT_START)

    def _end_with_parent(self) -> None:
        os.read(self._parent_lives, 1)  # Returns once nobody holds the other end.
        os.kill(os.getpid(), signal.SIGTERM)

    def _collect(self) -> None:
        """Take note of the processes that have ended."""
        for place in self._places:
            if place.process is None or (status := place.process.exitcode) is None:
                continue
            pid, place.process = place.process.pid, None
            self._ended(place.number)
            if self._stop_at is not None or status == _CANNOT_START:
                self._failed += status != 0
                self._stop()
            else:
                self._pause(place, pid, status)

    def _pause(self, place: _Place, pid: int | None, status: int) -> None:
        now = time.monotonic()
        if now - place.started_at > _SETTLED_SECONDS:
            place.pause = _FIRST_PAUSE_SECONDS
        place.due_at = now + place.pause
        _log.error("view_process_died", pid=pid, status=status, again_in_seconds=place.pause)
        place.pause = min(2 * place.pause, _LONGEST_PAUSE_SECONDS)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        """Have all processes end, and accept no connection from now on."""
        if self._stop_at is not None:
            return
        self._stop_at = time.monotonic() + _STOP_SECONDS
        for listener in self._listeners:
            listener.close()
        for place in self._places:
            if place.process is not None:
                place.process.terminate()


def _exit_in_order(_number: int, _frame: FrameType | None) -> None:
    """End with status 0, before the server has begun or after its last request."""
    sys.exit(0)


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
