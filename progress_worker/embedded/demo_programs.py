"""The demo's worker and view: commands of ours as processes that cannot outlive the demo."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from progress_worker.embedded.demo_read import get
from progress_worker.embedded.guard import Guard
from progress_worker.errors import FatalError

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_LAST_LINES: Final = 15


class Program:
    """`progress-worker COMMAND`, its output in a file of the guard's directory."""

    def __init__(self, guard: Guard, command: str, url: str) -> None:
        """Starts the command with this process's environment; `url` is where it listens."""
        self.url = url
        self.log: Path = guard.directory / f"{command}.log"
        self._command = command
        self._guard = guard
        self._pid = guard.start(
            [sys.executable, "-m", "progress_worker", command],
            # What libraries leave in the temporary directory goes with the guard's.
            environment=os.environ | {"TMPDIR": str(guard.directory)},
            log=self.log,
        )

    def check(self) -> None:
        """Raises FatalError with the program's last words when it has ended."""
        code = self._guard.exit_code(self._pid)
        if code is not None:
            raise FatalError(self._with_log(f"The {self._command} ended with status {code}."))

    def failed(self, why: str) -> FatalError:
        """An error that says why, with the program's last words."""
        return FatalError(self._with_log(why))

    async def serving(self) -> None:
        """Wait until it answers. Raises FatalError when it ends or does not answer in time."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.check()
            try:
                await get(f"{self.url}/livez")
            except FatalError as error:
                if time.monotonic() > deadline:
                    raise self.failed(str(error)) from error
                await asyncio.sleep(0.1)
            else:
                return

    def signal_stop(self) -> None:
        """Ask it to end in order."""
        self._guard.signal(self._pid, signal.SIGTERM)

    def stop(self) -> None:
        """Wait for its end, and end it by SIGKILL when that takes too long."""
        if self._guard.wait(self._pid, _STOP_SECONDS) is None:
            self._guard.signal(self._pid, signal.SIGKILL)

    def _with_log(self, sentence: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"{sentence} Its last lines:", *(f"  {line}" for line in lines)])
