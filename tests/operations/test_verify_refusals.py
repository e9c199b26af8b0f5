"""`verify` on a Postgres that cannot be reached, only reads, or lacks rights: one sentence each."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from progress_worker.embedded.database import WORKER_ROLE, Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.harness.hostile import alter
from tests.harness.standby import Standby
from tests.harness.starting import WORKER, is_one_sentence, run_forked

pytestmark = pytest.mark.integration

ONLY_READS = (
    "This database can only be read, and `verify` keeps its cursor in it: use one that can be "
    "written to, or compare one learner with --user, which writes nothing "
    "(PROGRESS_DATABASE_URL).\n"
)
READ_ONLY: Mapping[str, str] = {"default_transaction_read_only": "on"}


def verify(url: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run_forked(WORKER | {"DATABASE_URL": url}, ["verify", *options], directory)


def refused(url: str, directory: Path, *options: str) -> str:
    """What `verify` says where it cannot work."""
    done = verify(url, directory, *options)
    is_one_sentence(done)
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("role", [None, WORKER_ROLE], ids=["database", "role"])
@pytest.mark.parametrize("options", [["--all"], ["--sample", "1%", "--resume"]], ids=str)
def test_a_database_that_is_set_to_read_only(
    migrated_database: Database, tmp_path: Path, role: str | None, options: list[str]
) -> None:
    alter(migrated_database, READ_ONLY, role=role)
    assert refused(migrated_database.worker_url, tmp_path, *options) == ONLY_READS


def test_one_learner_is_compared_on_a_database_that_only_reads(
    migrated_database: Database, tmp_path: Path
) -> None:
    alter(migrated_database, READ_ONLY)
    done = verify(migrated_database.worker_url, tmp_path, "--user", "ada")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def standby() -> Iterator[Database]:
    """A migrated database as its standby has it."""
    with Postgres() as primary:
        primary.create_roles()
        name = primary.create_database("progress").name
        migrate(primary.url(name))
        with Standby(primary) as follower:
            yield follower.database(name)


def test_a_standby(standby: Database, tmp_path: Path) -> None:
    assert refused(standby.worker_url, tmp_path, "--all") == ONLY_READS


def test_the_login_of_the_view(migrated_database: Database, tmp_path: Path) -> None:
    said = refused(migrated_database.view_url, tmp_path, "--all")
    assert said == (
        "The login in PROGRESS_DATABASE_URL lacks a right that `verify` needs: give it the "
        "worker's; `progress-worker doctor` says what is missing.\n"
    )
