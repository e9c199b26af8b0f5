"""The release before the newest migration, as the history has it: the real code, not a likeness."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from progress_worker.storage.schema.revisions import head_revision
from tests.harness.unpacking import unpack

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 30.0


class UnknownHistoryError(Exception):
    """This is no checkout with the history that it takes."""


def older_release(directory: Path) -> Sequence[str]:
    """Unpack it; returns what its `progress-worker` is. Raises UnknownHistoryError."""
    newest = f"migrations/versions/{head_revision()}_*.py"
    added = _git("log", "--diff-filter=A", "--format=%H", "--", newest).decode().split()
    if not added:
        raise UnknownHistoryError("the newest migration is not committed yet")
    archive = _git("archive", f"{added[-1]}^", "progress_worker", "migrations")
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
