"""Finds this release's migrations without importing Alembic, which takes 9 MB of memory."""

from __future__ import annotations

from pathlib import Path

from progress_worker.errors import FatalError


def scripts_path() -> Path:
    """Inside the wheel the migrations lie in the package, in a checkout beside it."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def head_revision() -> str:
    """The revision that this release needs: the files are named by revision, in their order."""
    names = [script.name for script in scripts_path().glob("versions/*_*.py")]
    if not names:
        raise FatalError("This installation holds no migrations.")
    return max(names).partition("_")[0]
