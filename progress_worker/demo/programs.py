"""The demo's worker and view: processes that cannot outlive the demo."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from progress_worker.demo.read import get
from progress_worker.demo.stack import EmbeddedStack
from progress_worker.embedded.guard import Guard
from progress_worker.errors import FatalError
from progress_worker.settings.complaints import PREFIX

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_LAST_LINES: Final = 15
#: Signals that a person sends. Any other signal is a crash.
_SENT_BY_HAND: Final = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Program:
    """Runs `progress-worker COMMAND` with its output in a file of the guard's directory."""

    def __init__(self, guard: Guard, command: str, url: str) -> None:
        """Starts the command with this process's environment. It listens at `url`."""
        self.url = url
        self.log: Path = guard.directory / f"{command}.log"
        self.restarts = 0
        self._command = command
        self._guard = guard
        self.pid = self._start()

    def _start(self) -> int:
        return self._guard.start(
            [sys.executable, "-m", "progress_worker", self._command],
            # So files that libraries leave behind are removed with the guard's directory.
            environment=os.environ | {"TMPDIR": str(self._guard.directory)},
            log=self.log,
        )

    def revive(self) -> str | None:
        """Start the program again if somebody has stopped or killed it. Returns a sentence then.

        Raises FatalError with its last output if it has failed.
        """
        code = self._guard.exit_code(self.pid)
        if code is None:
            return None
        if code != 0 and -code not in _SENT_BY_HAND:
            raise self.failed(f"The {self._command} ended with status {code}.")
        how = f"ended by {signal.Signals(-code).name}" if code else "stopped"
        self.pid = self._start()
        self.restarts += 1
        return f"The {self._command} was {how}; it is started again as process {self.pid}."

    def failed(self, why: str) -> FatalError:
        """An error with the reason and the program's last output."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return FatalError("\n".join([f"{why} Its last lines:", *(f"  {line}" for line in lines)]))

    def signal_stop(self) -> None:
        """Ask it to end in order."""
        self._guard.signal(self.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Wait for its end, and end it by SIGKILL if that takes too long."""
        if self._guard.wait(self.pid, _STOP_SECONDS) is None:
            self._guard.signal(self.pid, signal.SIGKILL)


class Programs:
    """A worker and a view on a stack. One that somebody kills is started again."""

    def __init__(self, stack: EmbeddedStack, say: Callable[[str], None]) -> None:
        """Starts both. Calls `say` with a sentence for each restart."""
        environment = stack.environment()
        guard, host = stack.broker.guard, environment[f"{PREFIX}WEB_HOST"]
        self._stack = stack
        self._say = say
        self.worker, self.view = (
            Program(guard, command, f"http://{host}:{environment[PREFIX + port]}")
            for command, port in (("worker", "WEB_PORT"), ("api", "VIEW_PORT"))
        )

    def check(self) -> None:
        """Start again what somebody has killed.

        Raises FatalError when the worker or the view has failed, or when a server has ended.
        """
        self._stack.check()
        for program in (self.worker, self.view):
            if revived := program.revive():
                self._say(revived)

    async def read(self, program: Program, path: str, token: str | None = None) -> str:
        """The answer of one of the two, once it has started.

        Raises FatalError as `check` does, and when there is no good answer in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.check()
            try:
                return await get(f"{program.url}{path}", token)
            except FatalError as error:
                if time.monotonic() > deadline:
                    raise program.failed(str(error)) from error
            await asyncio.sleep(0.1)

    def stop(self) -> None:
        """Stop both in order."""
        for program in (self.worker, self.view):
            program.signal_stop()
        for program in (self.worker, self.view):
            program.stop()


@contextmanager
def running_programs(stack: EmbeddedStack, say: Callable[[str], None]) -> Iterator[Programs]:
    """The worker and the view, which end before the servers that they need."""
    programs = Programs(stack, say)
    try:
        yield programs
    finally:
        programs.stop()
