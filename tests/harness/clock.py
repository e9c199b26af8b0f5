"""A clock that can be changed while programs use it; other programs do not notice.

libfaketime stands between a program and the C library. The monotonic clock is not changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.harness.waiting import LIMIT_SECONDS


class NoFaketimeError(Exception):
    """The program `faketime` is not installed."""


class Clock:
    """A clock that shows the right time at first."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self._library = _library()
        self.set_off(0)

    def set_off(self, seconds: int) -> None:
        """Be ahead of the right time by this much; programs notice within a second."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    def command(self, *program: str) -> tuple[str, ...]:
        """The command line that runs a program with this clock."""
        return (
            "env",
            f"LD_PRELOAD={self._library}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_CACHE_DURATION=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            *program,
        )


def _library() -> str:
    faketime = shutil.which("faketime")
    if faketime is None:
        raise NoFaketimeError("there is no program faketime")
    # `faketime` knows where its library for programs with threads is.
    command = [faketime, "-m", "-f", "+0", "printenv", "LD_PRELOAD"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True, env=os.environ
    )
    return done.stdout.strip()
