"""Runs `progress-worker migrate` as a later release would: `newer_release.py DIRECTORY`.

The directory holds that release's migrations: ours, and some that this release does not know.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from progress_worker import cli
from progress_worker.storage.schema import revisions

#: Changes that later revisions may make while workers run, one after the other.
UPGRADES = (
    # A column that nobody fills yet.
    """
    op.add_column("completion", sa.Column("note", sa.Text))
    """,
    # An index that is built without a lock, outside of a transaction.
    """
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_completion_day", "completion", ["local_day"], postgresql_concurrently=True
        )
    """,
    # Another type for a column that workers read, so that prepared statements become stale. Its
    # binary form is the same, because workers copy rows in that form.
    """
    op.alter_column("completion", "exercise_id", type_=sa.String(256))
    """,
    # A table that is locked for longer than a worker waits.
    """
    op.execute("LOCK TABLE learner IN ACCESS EXCLUSIVE MODE")
    op.execute("SELECT pg_sleep(4)")
    """,
)


def write_migrations(directory: Path) -> str:
    """Make the later release's migrations; returns their last revision."""
    shutil.copytree(revisions.scripts_path(), directory)
    revision = revisions.head_revision()
    for upgrade in UPGRADES:
        before, revision = revision, f"{int(revision) + 1:04d}"
        script = f'''"""Of a later release."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{before}"


def upgrade() -> None:
    {upgrade.strip()}
'''
        (directory / "versions" / f"{revision}_later.py").write_text(script)
    return revision


if __name__ == "__main__":
    scripts = Path(sys.argv[1])
    setattr(revisions, "scripts_path", lambda: scripts)  # noqa: B010
    sys.argv[1:] = ["migrate"]
    cli.main()
