"""Every broken set-up ends the start with one sentence that names what to repair."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK
from tests.harness.deploying import deploy
from tests.harness.starting import GOOD, KAFKA, WORKER, is_one_sentence, run_forked
from tests.harness.worker import FAUST, Deployment, environment


class Broken(NamedTuple):
    """A command line, what is changed of good variables, and what the sentence says."""

    line: str
    changes: dict[str, str]
    says: str


BROKEN = [
    Broken(case["run"], case["with"], case["says"])
    for case in yaml.safe_load(Path(__file__).with_name("broken_starts.yaml").read_text("utf-8"))
]


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Files that are not what they should be, and a port that is taken."""
    files = {name: tmp_path / name for name in ("text", "latin", "empty", "private", "yaml")}
    files["text"].write_text("just a text\n")
    files["latin"].write_bytes("name: Prüfung".encode("latin-1"))
    files["empty"].touch()
    files["private"].touch(0o000)
    files["yaml"].write_text("achievements: [unclosed")
    with closing(socket.create_server((LOOPBACK, 0))) as server:
        yield {name: str(path) for name, path in files.items()} | {
            "directory": str(tmp_path),
            "taken": str(server.getsockname()[1]),
            "loopback": LOOPBACK,
        }


def _name(broken: Broken) -> str:
    return "-".join([broken.line.split()[0], *broken.changes])


@pytest.mark.parametrize("broken", BROKEN, ids=_name)
def test_a_setting_is_wrong(broken: Broken, places: dict[str, str], tmp_path: Path) -> None:
    variables = GOOD.get(broken.line.split()[0], KAFKA) | broken.changes
    done = run_forked(
        {name: value.format(**places) for name, value in variables.items()},
        broken.line.format(**places).split(),
        tmp_path,
        unprivileged="{private}" in broken.changes.values(),
    )
    print(f"{broken.line} | {broken.changes} | {done.stderr.strip()}")  # noqa: T201 - for -s
    is_one_sentence(done)
    said = done.stderr.strip()
    assert re.fullmatch(broken.says.format(**places), said), said


def test_faust_is_given_a_setting_that_is_wrong() -> None:
    done = subprocess.run(
        FAUST,
        env=environment(WORKER | {"DATABASE_URL": ""}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    is_one_sentence(done)
    assert done.stderr == "PROGRESS_DATABASE_URL is not set.\n"


@pytest.mark.integration
def test_a_home_directory_that_is_none(tmp_path: Path) -> None:
    done = run_forked({}, ["demo", "--count", "1"], tmp_path, HOME="/proc/nowhere")
    is_one_sentence(done)
    assert done.stderr.startswith("The embedded broker cannot be unpacked into the home directory")


def test_a_directory_for_temporary_files_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / f"progress-worker-{os.getuid()}"
    file.touch()
    done = run_forked(WORKER, ["worker"], tmp_path, TMPDIR=str(tmp_path))
    is_one_sentence(done)
    assert done.stderr == (
        f"{file}/v1 cannot be written (Not a directory): set TMPDIR to a directory that can.\n"
    )


@pytest.fixture
async def deployment(broker: Broker, migrated_database: Database, tmp_path: Path) -> Deployment:
    """A set-up in which all is well."""
    return await deploy(broker.bootstrap, migrated_database, tmp_path, idempotent=False)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("line", "changes", "says"),
    [
        (
            "generate --count 1",
            {"COMPLETED_TOPIC": "absent"},
            r"The topic absent does not exist \(PROGRESS_COMPLETED_TOPIC\): run .*",
        ),
        (
            "dlq list",
            {"DEAD_LETTER_TOPIC": "absent"},
            r"The topic absent does not exist \(PROGRESS_DEAD_LETTER_TOPIC\): run .*",
        ),
        (
            "dlq list --topic gone.dlq",
            {"COMMANDS_DEAD_LETTER_TOPIC": "gone.dlq"},
            r"The topic gone.dlq does not exist \(PROGRESS_COMMANDS_DEAD_LETTER_TOPIC\): run .*",
        ),
        ("dlq show 0:77", {}, "There is no dead letter at 0:77."),
        (
            "migrate",
            {"MIGRATE_DATABASE_URL": "{nowhere}"},
            r"Postgres cannot be reached: .* \(PROGRESS_MIGRATE_DATABASE_URL\).",
        ),
        (
            "migrate",
            {"DATABASE_URL": "{nobody}"},
            r"Postgres cannot be reached: .* \(PROGRESS_DATABASE_URL\).",
        ),
        (
            "verify --all",
            {"DATABASE_URL": "{nowhere}"},
            r"Postgres cannot be reached: .* \(PROGRESS_DATABASE_URL\).",
        ),
        (
            "verify --user ada",
            {"DATABASE_URL": "{nobody}"},
            r"Postgres cannot be reached: .* \(PROGRESS_DATABASE_URL\).",
        ),
        ("migrate --revision 4711", {}, "The migration failed: Can't locate revision .*4711.*"),
        ("distribute", {}, "This database has no Citus: .*"),
    ],
)
def test_a_server_is_not_as_it_should_be(
    line: str, changes: dict[str, str], says: str, deployment: Deployment, tmp_path: Path
) -> None:
    places = {
        "nowhere": deployment.database.owner_url.rpartition("/")[0] + "/nowhere",
        "nobody": deployment.database.worker_url.replace("progress_worker", "nobody"),
    }
    variables = deployment.environment(
        **{name: value.format(**places) for name, value in changes.items()}
    )
    done = run_forked(variables, line.split(), tmp_path)
    print(f"{line} | {changes} | {done.stderr.strip()}")  # noqa: T201 - for -s
    is_one_sentence(done)
    assert re.fullmatch(says, done.stderr.strip()), done.stderr


@pytest.mark.integration
def test_a_login_that_may_not_migrate(database: Database, tmp_path: Path) -> None:
    done = run_forked({"DATABASE_URL": database.worker_url}, ["migrate"], tmp_path)
    is_one_sentence(done)
    assert done.stderr == "The migration failed: permission denied for schema public.\n"


@pytest.mark.integration
def test_a_worker_before_the_migration_ends_with_the_cure(
    deployment: Deployment, database: Database, tmp_path: Path
) -> None:
    variables = deployment.environment(DATABASE_URL=database.worker_url)
    done = run_forked(variables, ["worker"], tmp_path)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert "run `progress-worker migrate`" in last
    assert last.endswith(".")
