"""Schemathesis against a running view with real data: every check, a bounded number of cases."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from progress_worker.domain.rulebook import read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.http.security.authentication import READ_ANY, mint_token
from tests.http.learners import Learners
from tests.http.served import Served, serve_view
from tests.http.stage import CATALOGUE, completion_at

pytestmark = pytest.mark.integration

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PHASES = ("Examples", "Coverage", "Fuzzing", "Stateful")
CASES = 25
SECONDS = 240


@pytest.fixture
async def populated(migrated_database: Database) -> Database:
    """Learners with progress of every kind."""
    learners = Learners(migrated_database, read_rule_book(CATALOGUE))
    for day in range(1, 24):
        for topic in ("algorithms", "c/c++", "=1+1"):
            await learners.apply(completion_at(f"2026-11-{day:02}T10:00:00Z", topic=topic))
    await learners.apply(completion_at("2026-11-20T10:00:00Z", user_id="0", timezone="Asia/Tokyo"))
    await learners.close()
    return migrated_database


@pytest.fixture
def served(populated: Database) -> Iterator[Served]:
    with serve_view(populated) as found:
        yield found


def attack(
    served: Served, directory: Path, cases: int, phases: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """One run over the whole document; `cases` is the number of random cases per path."""
    options = {
        "--checks": "all",
        "--phases": ",".join(phases).lower(),
        "--max-examples": str(cases),
        "--generation-database": "none",
        "--request-timeout": "10",
    }
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIGURATION),
            *("run", f"{served.url}/openapi.json", "--continue-on-failure", "--no-color"),
            *(part for option in options.items() for part in option),
        ],
        env={
            **os.environ,
            "PROGRESS_TEST_TOKEN": mint_token(served.settings, "ada", scope=READ_ANY),
        },
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    run = attack(served, tmp_path, CASES, PHASES)
    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    assert "Tested: 16" in run.stdout
    for phase in PHASES:
        assert f"✅ {phase}" in run.stdout, f"{phase} had nothing to run"
    assert re.search(r"API Links: +[1-9][0-9]* covered", run.stdout)
    generated = re.search(r"(\d+) generated", run.stdout)
    assert generated is not None
    assert int(generated[1]) > 12 * CASES / 2


def test_schemathesis_would_find_an_internal_error(
    served: Served, populated: Database, tmp_path: Path
) -> None:
    with psycopg.connect(populated.owner_url) as connection:
        connection.execute("DROP TABLE skill_level")
    run = attack(served, tmp_path, 1, ["Examples"])
    assert run.returncode == 1
    assert "Server error" in run.stdout
