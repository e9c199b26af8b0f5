"""Runs starts that must fail: valid settings to break, and a command in a forked process."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from progress_worker.embedded.ports import LOOPBACK
from tests.harness.forking import Forked, command
from tests.harness.worker import environment

_NOBODY = 65_534

KAFKA = {"KAFKA_BOOTSTRAP": f"{LOOPBACK}:1"}
WORKER = KAFKA | {"DATABASE_URL": f"postgresql://worker:secret-word@{LOOPBACK}:1/progress"}
VIEW = {
    "VIEW_DATABASE_URL": f"postgresql://view:secret-word@{LOOPBACK}:1/progress",
    "JWT_ISSUER": "https://issuer.test",
    "JWT_AUDIENCE": "progress",
    "JWT_SECRET": "secret-word, and more than thirty-two characters",
}
MIGRATE = {"MIGRATE_DATABASE_URL": f"postgresql://owner:secret-word@{LOOPBACK}:1/progress"}
#: Valid settings by the first word of a command line; all other commands use Kafka.
GOOD = {
    "worker": WORKER,
    "api": VIEW,
    "migrate": MIGRATE,
    "distribute": MIGRATE,
    "token": VIEW,
    "config": WORKER,
    "doctor": WORKER,
    "verify": WORKER,
}


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

    `others` are further variables. With `unprivileged`, a process of root gives up its rights.
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


def is_one_sentence(done: subprocess.CompletedProcess[str]) -> None:
    """Assert that a command failed with one readable sentence."""
    assert done.returncode == 1, done.stdout + done.stderr
    said = done.stderr.strip()
    assert len(said.splitlines()) == 1, said
    assert not re.search(r"Traceback|\w(Error|Exception)\b|Errno|secret-word", said)
    assert re.match(r"[A-Z{/a]", said)
    assert said[-1] in ".?"
    assert len(said) < 300


def _as_nobody(call: Callable[[], None]) -> None:
    os.setuid(_NOBODY)
    call()
