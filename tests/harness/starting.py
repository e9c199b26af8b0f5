"""The command in forked processes that have imported everything: a start takes no second."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.harness.worker import environment

_NOBODY = 65_534
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
        path.touch()
        path.chmod(0o666)
    everything = environment(variables) | others
    process = _forking.Process(
        target=_run, args=(arguments, everything, directory, out, err, unprivileged)
    )
    process.start()
    try:
        process.join(limit_seconds)
        assert process.exitcode is not None, f"still running: {err.read_text()}"
    finally:
        process.kill()
        process.join()
    return subprocess.CompletedProcess(
        arguments, process.exitcode, out.read_text(), err.read_text()
    )


def _run(
    arguments: list[str],
    variables: dict[str, str],
    directory: Path,
    out: Path,
    err: Path,
    unprivileged: bool,
) -> None:
    from progress_worker.cli import main  # noqa: PLC0415 - in the forked process

    for stream, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_TRUNC), stream)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None
    if unprivileged and os.getuid() == 0:
        os.setuid(_NOBODY)
    sys.argv = ["progress-worker", *arguments]
    main()
