"""Owns a temporary directory and the servers in it. Ends both when the parent's pipe closes.

`guard.Guard` runs it as a script, with the standard library alone. Requests and answers are JSON
lines. On every Unix the pipe closes when the parent ends, even by SIGKILL.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STOP_SECONDS = 10.0
REMOVE_SECONDS = 10.0


class Servers:
    """The child processes by pid. A child is reaped only on request, so no pid is reused."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children: dict[int, tuple[subprocess.Popen[bytes], int]] = {}

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        log: str,
        end_signal: int,
        account: list[int] | None,
    ) -> int:
        """Start a server as the account's user and group. `end_signal` ends it with the guard."""
        identity: dict[str, Any] = {}
        if account is not None:
            identity = {"user": account[0], "group": account[1], "extra_groups": []}
        with (self._directory / log).open("ab") as output:
            child = subprocess.Popen(  # noqa: S603  the servers' command lines are ours
                command,
                env=environment,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **identity,
            )
        self._children[child.pid] = (child, end_signal)
        return child.pid

    def exit_code(self, pid: int) -> int | None:
        """None while the server runs."""
        return self._children[pid][0].poll()

    def signal(self, pid: int, signum: int) -> None:
        """Send a signal. Does nothing if the server has ended."""
        self._children[pid][0].send_signal(signum)

    def end(self) -> None:
        """End every server within the time limit, by SIGKILL if need be."""
        children = list(self._children.values())
        for child, end_signal in children:
            child.send_signal(signal.SIGCONT)
            child.send_signal(end_signal)
        deadline = time.monotonic() + STOP_SECONDS
        for child, _ in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(STOP_SECONDS)


def answer(servers: Servers, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out a request. An OSError becomes an answer too."""
    identity = request.pop("id")
    method = getattr(servers, request.pop("do"))
    try:
        return {"id": identity, "result": method(**request)}
    except OSError as error:
        return {"id": identity, "error": str(error)}


def serve(directory: Path) -> None:
    """Answer requests until the pipe closes, then end the servers."""
    servers = Servers(directory)
    try:
        for line in sys.stdin:
            if not line.endswith("\n"):
                break  # the parent died while it was writing
            send(answer(servers, json.loads(line)))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent died before it read the answer
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        servers.end()


def send(message: dict[str, Any]) -> None:
    """Write a line without Python's buffers, which would be flushed into a closed pipe at exit."""
    os.write(1, json.dumps(message).encode() + b"\n")


def remove(directory: Path) -> None:
    """Remove the directory. Children of a killed Postgres may still write for a moment."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.02)


def main() -> None:
    """Own one directory for as long as the parent holds the pipe."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda *_: sys.exit(1))
    directory = Path(tempfile.mkdtemp(prefix="progress-worker-"))
    try:
        send({"id": 0, "result": str(directory)})
        serve(directory)
    finally:
        remove(directory)


if __name__ == "__main__":
    main()
