"""Runs our programs in forked processes that have imported everything, which starts faster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(
    [
        "progress_worker.cli",
        "progress_worker.app",
        "progress_worker.doctor.configuration",
        "progress_worker.deadletters.redrive",
        "progress_worker.doctor.examination",
        "progress_worker.generator.command",
        "progress_worker.http.application",
        "progress_worker.published.reference",
        "progress_worker.storage.schema.migrate",
    ]
)

Place = Path | None


class Forked:
    """A call in a process of its own with just these variables; behaves like a Popen.

    `said` gets its output, and its standard error too if `complained` is not given.
    """

    def __init__(
        self,
        call: Callable[[], None],
        variables: Mapping[str, str],
        said: Path,
        complained: Place = None,
        directory: Place = None,
    ) -> None:
        place = directory or Path.cwd()
        self._process = _forking.Process(
            target=_run, args=(call, dict(variables), place, said, complained or said)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def poll(self) -> int | None:
        """Its exit status, negative for a signal's; None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Its exit status; raises TimeoutExpired if it is still running."""
        self._process.join(seconds)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self._process.name, seconds)
        return status

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal; nothing happens to a process that has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Forked


def started(
    name: str, command_line: Sequence[str] | None, variables: Mapping[str, str], log: Path
) -> Process:
    """`progress-worker NAME` forked, or a program of its own where a command line is given."""
    with log.open("wb") as output:
        if command_line is None:
            return Forked(command(name), variables, log)
        return subprocess.Popen(command_line, env=variables, stdout=output, stderr=output)


def command(*arguments: str) -> Callable[[], None]:
    """`progress-worker ARGUMENTS`, as a call."""
    return partial(_command, arguments)


def _command(arguments: tuple[str, ...]) -> None:
    from progress_worker.cli import main  # noqa: PLC0415 - in the forked process

    sys.argv = ["progress-worker", *arguments]
    main()


def _run(
    call: Callable[[], None],
    variables: dict[str, str],
    directory: Path,
    said: Path,
    complained: Path,
) -> None:
    for stream, path in ((1, said), (2, complained)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    tempfile.tempdir = None
    call()
