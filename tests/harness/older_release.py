"""The real code of the release before a change, from the history."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tests.harness.unpacking import unpack

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 30.0


class UnknownHistoryError(Exception):
    """This is not a checkout with the history that is needed."""


def older_release(directory: Path, revision: str) -> Sequence[str]:
    """Unpack the release before that migration; returns the command of its `progress-worker`.

    Raises UnknownHistoryError.
    """
    script = f"migrations/versions/{revision}_*.py"
    return _before(directory, f"the migration {revision}", "--diff-filter=A", "--", script)


def release_before_format(directory: Path, format_: int) -> Sequence[str]:
    """The same for the release before the one that could first read that format of rule books."""
    line, where = f"^FORMAT: Final = {format_}$", "progress_worker/domain"
    return _before(directory, f"the format {format_}", f"-G{line}", "--", where)


def _before(directory: Path, what: str, *selection: str) -> Sequence[str]:
    """Unpack the release before the first commit that `git log` selects."""
    found = _git("log", "--format=%H", *selection).decode().split()
    if not found:
        raise UnknownHistoryError(f"{what} is not committed yet")
    archive = _git("archive", f"{found[-1]}^", "progress_worker", "migrations")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        unpack(files, directory)
    start = "from progress_worker.cli import main; main()"
    return sys.executable, "-c", f"import sys; sys.path.insert(0, {str(directory)!r}); {start}"


def _git(*arguments: str) -> bytes:
    done = subprocess.run(
        ["git", *arguments], cwd=_ROOT, capture_output=True, timeout=_SECONDS, check=False
    )
    if done.returncode != 0:
        raise UnknownHistoryError(done.stderr.decode().strip())
    return done.stdout
