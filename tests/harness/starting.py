"""A command that runs to its end in a forked process, as another user if need be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.harness.forking import Forked, command
from tests.harness.worker import environment

_NOBODY = 65_534


def run_forked(
    variables: Mapping[str, str],
    arguments: list[str],
    directory: Path,
    *,
    limit_seconds: float = 60,
    unprivileged: bool = False,
    **others: str,
) -> subprocess.CompletedProcess[str]:
    """Run `progress-worker ARGUMENTS` in that directory, with just these PROGRESS_* variables.

    `others` are further variables. Where this is root's process, `unprivileged` takes that away.
    """
    out, err = directory / "stdout", directory / "stderr"
    for path in (out, err):
        path.write_text("")
        path.chmod(0o666)
    call = command(*arguments)
    if unprivileged and os.getuid() == 0:
        call = partial(_as_nobody, call)
    process = Forked(call, environment(variables) | others, out, err, directory)
    try:
        status = process.wait(limit_seconds)
    finally:
        process.kill()
    return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())


def _as_nobody(call: Callable[[], None]) -> None:
    os.setuid(_NOBODY)
    call()
