"""docs/operations.md is up to date: its commands work, and the names in it exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperGroup

from progress_worker.cli import cli
from progress_worker.doctor.configuration import KINDS, variables
from progress_worker.errors import Reason
from progress_worker.settings.environment import MOVED
from tests.harness.owned_postgres import OwnedPostgres
from tests.harness.runbook import PAGE, commands, sections
from tests.harness.terminal import Terminal

ROOT = PAGE.parents[1]
TEXT = PAGE.read_text(encoding="utf-8")
OURS = "progress-worker "

#: Needs the extension; tests/integration/test_citus.py tests it.
CITUS = "Distribute the database"
#: What a reader fills in.
BLANKS = {"BETWEEN … AND …": "BETWEEN '2026-11-22' AND '2026-11-23'", "PID": "0", "…": "x"}
#: Names are of small letters, with at least one `_` or `:` between them.
NAME = re.compile(r"\b[a-z]+(?:[_:][a-z][a-z0-9_]*)+\b")
#: Postgres's and Citus's.
OTHERS = {
    "blocked_by",
    "citus_create_restore_point",
    "citus_rebalance_start",
    "ignore_startup_parameters",
    "max_prepared_transactions",
    "pg_hba",
    "pg_repack",
    "pg_stat_activity",
    "pg_terminate_backend",
    "run_command_on_workers",
    "synchronous_standby_names",
    "view_streams_unavailable_over",
}
SQL = re.compile(r"`((?:SELECT|UPDATE|DELETE|ALTER|CREATE|GRANT) [^`]*)`")


def of_ours() -> list[str]:
    """Every command line of progress-worker's on the page, in blocks and in sentences."""
    typed = [line for command in commands() for line in re.split(" && | > ", command.text)]
    lines = [line for line in typed if re.match(rf"(?:\w+=\S+ )*{OURS}", line)]
    return sorted({*lines, *re.findall(rf"`({OURS}[^`]+)`", TEXT)})


@pytest.mark.parametrize("line", of_ours())
def test_our_commands_take_these_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    _, *arguments = words[words.index(OURS.strip()) :]
    command = typer.main.get_command(cli)
    while isinstance(command, TyperGroup) and not arguments[0].startswith("-"):
        command = command.commands[arguments.pop(0)]
    if isinstance(command, TyperGroup):
        assert set(arguments) <= {option for known in command.params for option in known.opts}
    else:
        command.make_context(command.name, arguments)  # raises UsageError, runs nothing


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal with a migrated database, whose owner is no superuser."""
    with OwnedPostgres("owner") as server:
        server.create_owner()
        database = server.migrated_database()
        directory, owner = tmp_path_factory.mktemp("terminal"), server.url("progress", "owner")
        yield Terminal(directory, {}, OWNER=owner, SUPERUSER=database.owner_url)


def to_psql() -> Iterator[str]:
    """All SQL of the page: what is typed to psql, and SQL in sentences."""
    for command in commands():
        if command.section != CITUS and re.match(r'psql .*"\$(OWNER|SUPERUSER)"', command.text):
            yield command.text.partition("\\\n  | kafka-")[0]
    for section, text in sections().items():
        if section != CITUS:
            for statement in re.findall(SQL, text):
                yield f'psql "$OWNER" -c "{" ".join(statement.split())}"'


@pytest.mark.parametrize("typed", [*to_psql()])
def test_what_psql_is_told_it_does(terminal: Terminal, typed: str) -> None:
    for blank, filled in BLANKS.items():
        typed = typed.replace(blank, filled)
    terminal.run(typed)


def test_every_setting_exists() -> None:
    known = {variable.name for kind in KINDS.values() for variable in variables(kind)}
    named = set(re.findall(r"\bPROGRESS_\w+", TEXT)) - {"PROGRESS_LEVEL_"}
    assert {name for name in named - known if not name.startswith(MOVED)} == set()


def test_every_other_name_exists() -> None:
    """Metrics, recording rules, events of the log, reasons, columns."""
    sentences = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    named = {name for code in re.findall(r"`([^`]+)`", sentences) for name in NAME.findall(code)}
    code = [
        path for part in ("progress_worker", "migrations") for path in ROOT.glob(f"{part}/**/*.py")
    ]
    places = [*code, ROOT / "docs/metrics.md", ROOT / "deploy/prometheus/rules.yml"]
    ours = {name for path in places for name in NAME.findall(path.read_text(encoding="utf-8"))}
    assert named - ours == OTHERS


def test_every_reason_is_explained() -> None:
    table = re.findall(r"^\| (`.*?) \|", sections()["ProgressDeadLetters"], re.MULTILINE)
    assert {name for row in table for name in re.findall(r"`(\w+)`", row)} == set(Reason)
