"""Machines without a HOME, without a user of the process's number, or without a writable disk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from progress_worker.embedded.database import Database
from tests.harness.starting import GOOD, KAFKA, VIEW, is_one_sentence
from tests.harness.view import ViewProcess
from tests.harness.worker import COMMAND, environment

SECONDS = 60.0
#: Makes every file system read-only in a mount namespace of its own, and runs a command there.
READ_ONLY = """
set -e
for place in / /tmp /var/tmp /dev/shm; do
    mount --bind $place $place
    mount -o remount,bind,ro $place
done
cd /
! touch /tmp/probe 2>/dev/null
exec "$@"
"""
BARE = ("unshare", "--mount", "bash", "-c", READ_ONLY, "bash", "env", "-u", "HOME")
NO_PLACE = "No directory for temporary files can be written: set TMPDIR to"


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    try:
        subprocess.run([*BARE, "true"], capture_output=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be made read-only here: {error}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("worker", f"{NO_PLACE} a directory that can."),
        ("demo --count 1", f"{NO_PLACE} one that can."),
        ("migrate", "Postgres cannot be reached: "),
        ("schemas /schemas", "/schemas cannot be written: "),
    ],
)
def test_nothing_can_be_written(line: str, says: str) -> None:
    name, *_ = line.split()
    done = subprocess.run(
        [*BARE, *COMMAND, *line.split()],
        env=environment(GOOD.get(name, KAFKA)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    is_one_sentence(done)
    assert done.stderr.startswith(says)


@pytest.mark.integration
async def test_the_view_writes_nothing(migrated_database: Database, tmp_path: Path) -> None:
    variables = VIEW | {"VIEW_DATABASE_URL": migrated_database.view_url}
    async with ViewProcess(variables, tmp_path, (*BARE, *COMMAND, "api")) as view:
        assert await view.ready()
