"""The parent's end of the guard process: start, watch and signal servers that cannot outlive us."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from progress_worker.errors import FatalError

ANSWER_SECONDS = 15.0
CLOSE_SECONDS = 30.0

#: A user and a group id.
Account = tuple[int, int]


class Guard:
    """A temporary directory with servers in it, both of which end with this process.

    The guard runs in its own session. So a terminal's Ctrl-C reaches only this process, which then
    stops the servers in order. Safe to use from several threads. Every request has a time limit
    and raises FatalError when the guard does not answer.
    """

    def __init__(self) -> None:
        _check_directory()
        script = Path(__file__).with_name("guard_process.py")
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own script
                [sys.executable, "-I", "-S", str(script)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                start_new_session=True,
            )
        self._channel.settimeout(ANSWER_SECONDS)
        self._answers = self._channel.makefile("rb")
        self._lock = threading.Lock()
        self._last_id = 0
        self.directory = Path(str(self._receive(0)))

    @property
    def pid(self) -> int:
        """The guard's process id."""
        pid: int = self._process.pid
        return pid

    def start(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Path,
        end_signal: signal.Signals = signal.SIGTERM,
        account: Account | None = None,
    ) -> int:
        """Start a server and append its output to `log`. Returns its pid.

        `end_signal` is sent to it when the guard ends; `account` is whom it runs as (root only).
        """
        pid = self._request(
            "start",
            command=[str(part) for part in command],
            environment=dict(environment),
            log=str(log),
            end_signal=int(end_signal),
            account=account,
        )
        return int(str(pid))

    def exit_code(self, pid: int) -> int | None:
        """The exit code, or minus the number of the signal that ended it. None while it runs."""
        code = self._request("exit_code", pid=pid)
        return None if code is None else int(str(code))

    def signal(self, pid: int, signum: signal.Signals) -> None:
        """Send a signal to a server. Does nothing if it has ended."""
        self._request("signal", pid=pid, signum=int(signum))

    def wait(self, pid: int, seconds: float) -> int | None:
        """The server's exit code, or None if it still runs after `seconds`."""
        deadline = time.monotonic() + seconds
        while (code := self.exit_code(pid)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return code

    def close(self) -> None:
        """End the servers and remove the directory; may be called again."""
        self._answers.close()
        self._channel.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise FatalError(f"The guard of {self.directory} did not end in time.") from None

    def _request(self, do: str, **arguments: object) -> object:
        with self._lock:
            self._last_id += 1
            request = json.dumps({"id": self._last_id, "do": do, **arguments})
            try:
                self._channel.sendall(request.encode() + b"\n")
            except OSError:
                raise FatalError(f"The guard of {self.directory} has ended.") from None
            return self._receive(self._last_id)

    def _receive(self, identity: int) -> object:
        while True:
            answer = json.loads(self._line())
            if answer["id"] < identity:
                continue  # its caller was interrupted before it read this answer
            if "error" in answer:
                raise FatalError(f"An embedded server cannot be started: {answer['error']}.")
            result: object = answer["result"]
            return result

    def _line(self) -> bytes:
        try:
            line = self._answers.readline()
        except OSError:
            line = b""
        if not line:
            raise FatalError("The guard of the embedded servers does not answer.")
        return line


def _check_directory() -> None:
    """Check where the guard makes its directory, because the guard itself cannot report it."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise FatalError(
            "No directory for temporary files can be written: set TMPDIR to one that can."
        ) from error
