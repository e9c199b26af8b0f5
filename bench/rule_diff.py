"""Measures `progress-worker rules diff` with many learners in the database.

    python bench/rule_diff.py [--learners 100000]

Each rule book changes something else, so that more or less of what is stored answers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from rich.console import Console

from bench.learners import store_learners
from bench.report import markdown
from bench.watch import TrialError
from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.settings.complaints import PREFIX
from progress_worker.storage.schema.migrate import migrate

_HEADINGS = ("the rule book changes", "seconds", "CPU s", "learners/s", "MiB", "gained")
_CHANGES = {
    "targets and levels": "levels: {intermediate: {exercises: 5, mean_grade: 50}}\n",
    "the streaks' policy": "streak: {freezes: {cap: 2, earn_every: 3}}\n",
    "one filter is new": "",
}
_NEW_FILTER = """
  - {id: tried, name: Tried, description: Tried., category: effort, tier: bronze, points: 5,
     icon: leaf, rule: {exercises_completed: {at_least: 5, difficulty: hard, max_hints: 7}}}
"""


def main() -> None:
    """Fill the database, compare with each rule book, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=100_000)
    options, console = parser.parse_args(), Console()
    with Postgres() as server, TemporaryDirectory() as directory:
        server.create_roles()
        database = server.create_database("bench")
        migrate(database.owner_url)
        console.print(f"Storing {options.learners:,} learners with their completions")
        store_learners(database, options.learners, completions=True)
        with psycopg.connect(database.owner_url) as connection:
            row = connection.execute("SELECT count(*) FROM completion").fetchone()
        console.print(f"{row[0] if row else 0:,} completions")
        rows = [_measure(database, Path(directory), change) for change in _CHANGES]
    for line in markdown(_HEADINGS, rows):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _measure(database: Database, directory: Path, change: str) -> tuple[str, ...]:
    """One row; raises TrialError if the command fails."""
    file = directory / "new.yaml"
    file.write_text(_changed(change), encoding="utf-8")
    settings = {"DATABASE_URL": database.worker_url, "KAFKA_BOOTSTRAP": "nowhere:1"}
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "progress_worker", "rules", "diff", str(file), "--json"],
        env=os.environ | {PREFIX + name: value for name, value in settings.items()},
        stdout=subprocess.PIPE,
    ) as process:
        output = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    if status:
        raise TrialError(f"`rules diff` ended with status {os.waitstatus_to_exitcode(status)}")
    found = json.loads(output)
    return (
        change,
        f"{seconds:.1f}",
        f"{used.ru_utime + used.ru_stime:.1f}",
        f"{found['learners']['compared'] / seconds:,.0f}",
        f"{used.ru_maxrss / 1024:.0f}",
        f"{found['gained']:,}",
    )


def _changed(change: str) -> str:
    """The built-in rule book with a higher version and that change."""
    text = built_in_text()
    version = read_rule_book(text).version
    text = text.replace(f"version: {version}\n", f"version: {version + 1}\n{_CHANGES[change]}")
    if change == "targets and levels":
        return text.replace(
            "exercises_completed: {at_least: 10}", "exercises_completed: {at_least: 9}"
        )
    return text + _NEW_FILTER if change == "one filter is new" else text


if __name__ == "__main__":
    main()
