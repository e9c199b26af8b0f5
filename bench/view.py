"""Measures the HTTP view with many learners in the database, against its own queries alone.

    python bench/view.py [--learners 100000] [--seconds 5] [--rounds 3] [--note "what changed"]

`wrk` asks one `progress-worker api` process with as many connections as the view has to Postgres;
then one Python process runs the same statements for the same learners through psycopg, with as
many connections. Both take turns, round by round, on a machine that they share with Postgres.
A note adds a row to the history of the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy import Select

from bench.learners import store_learners
from bench.machine import describe_machine, describe_versions
from bench.report import markdown
from bench.view_load import Load, load_by_psycopg, load_by_wrk, median
from bench.view_process import Headers, bearer, running_view
from bench.watch import TrialError
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.http.api.windows import span
from progress_worker.storage.read.statements import HISTORY, LEARNER_STATE, STAMP
from progress_worker.storage.schema.migrate import migrate

_RESULTS = Path(__file__).with_name("results") / "http.md"
_ASKED = 500
_HISTORY_DAYS = 365
_ANSWER_SECONDS = 30.0
_CROWD = 50
_HEADINGS = (
    *("", "requests/s", "p50 ms", "p99 ms", "CPU us", f"p50 ms of {_CROWD}", f"p99 ms of {_CROWD}"),
    *("psycopg/s", "p50 ms", "p99 ms", "ratio"),
)
_HISTORY = _RESULTS.with_name("history-http.md")
_HISTORY_HEAD = (
    "# The view's ratio to bare psycopg, change by change\n\n"
    "In brackets: the view's processor time per request, in microseconds.\n\n"
    "| date | commit | progress | 304 | a year of history | achievements | change |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A path of the view, whether its answer is known already, and the statement behind it."""

    title: str
    path: str
    known: bool
    statement: Select[Any]


@dataclass(frozen=True, slots=True)
class Round:
    """The view's load with a question, with few and with many clients; psycopg's with its query.

    `processor_us` is the view's processor time per request, in microseconds.
    """

    view: Load
    processor_us: float
    crowd: Load
    bare: Load


@dataclass(frozen=True, slots=True)
class Result:
    """The rounds of a question."""

    question: Question
    rounds: Sequence[Round]

    def median(self, of: Callable[[Round], Load]) -> Load:
        """The load of the round with the middle rate."""
        return median([of(found) for found in self.rounds])

    @property
    def processor_us(self) -> float:
        """The middle of the rounds."""
        return statistics.median(found.processor_us for found in self.rounds)

    @property
    def ratio(self) -> float:
        """Of the view's rate to psycopg's."""
        return (
            self.median(lambda found: found.view).rate / self.median(lambda found: found.bare).rate
        )


_QUESTIONS = (
    Question("`/api/progress`", "", False, LEARNER_STATE),
    Question("the same, 304", "", True, STAMP),
    Question("`/history?days=365`", f"/history?days={_HISTORY_DAYS}", False, HISTORY),
    Question("`/achievements`", "/achievements", False, LEARNER_STATE),
)


def main() -> None:
    """Measure, print and save; ends with a sentence if wrk is missing."""
    options, console = _options(), Console()
    wrk = shutil.which("wrk")
    if wrk is None:
        console.print("The view is not measured: wrk is not installed (Debian: apt install wrk).")
        return
    with Postgres() as server:
        server.create_roles()
        database = server.create_database("bench")
        migrate(database.owner_url)
        console.print(f"Storing {options.learners:,} learners")
        store_learners(database, options.learners)
        results = _measure(wrk, database, options, console)
    text = _page(results, options)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(text, encoding="utf-8")
    if options.note:
        _add_to_history(results, options.note)


def _measure(
    wrk: str, database: Database, options: argparse.Namespace, console: Console
) -> list[Result]:
    drawn = random.Random(1).sample(range(1, options.learners + 1), min(_ASKED, options.learners))
    asked = [f"learner-{number}" for number in drawn]
    days = span(_HISTORY_DAYS, dt.datetime.now(dt.UTC))
    parameters: list[dict[str, object]] = [
        {"user_id": user_id, "first_day": days.first, "last_day": days.last} for user_id in asked
    ]
    rounds: dict[Question, list[Round]] = {found: [] for found in _QUESTIONS}
    with running_view(database) as view:
        tokens = [bearer(user_id) for user_id in asked]
        for number in range(options.rounds):
            for question in _QUESTIONS:
                console.print(f"Round {number + 1}: {question.title}", markup=False)
                address = f"{view.url}/api/progress{question.path}"
                headers = _known(address, tokens) if question.known else tokens
                before = view.processor_seconds()
                load = load_by_wrk(wrk, address, headers, view.connections, options.seconds)
                spent = view.processor_seconds() - before
                crowd = load_by_wrk(wrk, address, headers, _CROWD, options.seconds)
                bare = load_by_psycopg(
                    database.view_url,
                    question.statement,
                    parameters,
                    view.connections,
                    options.seconds,
                )
                processor_us = spent / (load.rate * options.seconds) * 1e6
                rounds[question].append(Round(load, processor_us, crowd, asyncio.run(bare)))
    return [Result(question, found) for question, found in rounds.items()]


def _known(address: str, tokens: Sequence[Headers]) -> list[Headers]:
    """Headers of clients that have the answers already; raises TrialError unless all get 304."""
    known: list[Headers] = []
    with httpx.Client(timeout=_ANSWER_SECONDS) as client:
        for headers in tokens:
            tag = client.get(address, headers=headers).headers["etag"]
            known.append({**headers, "If-None-Match": tag})
            if client.get(address, headers=known[-1]).status_code != httpx.codes.NOT_MODIFIED:
                raise TrialError("an unchanged answer is sent again")
    return known


def _page(results: Sequence[Result], options: argparse.Namespace) -> str:
    machine, versions = describe_machine(), describe_versions()
    rows = [
        (
            result.question.title,
            *_cells(result.median(lambda found: found.view)),
            f"{result.processor_us:,.0f}",
            *_cells(result.median(lambda found: found.crowd))[1:],
            *_cells(result.median(lambda found: found.bare)),
            f"{result.ratio:.2f}",
        )
        for result in results
    ]
    lines = [
        "# The HTTP view",
        "",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory']}, {machine['system']}. "
        f"{options.learners:,} learners, {_ASKED} of them asked about; medians of "
        f"{options.rounds} rounds of {options.seconds:g} s; one `progress-worker api` process, "
        "which shares the machine with Postgres and wrk; 10 connections each, and once more "
        f"{_CROWD} to the view.",
        "",
        *markdown(_HEADINGS, rows),
        "",
        "Ratio: requests a second of the view to the same query through bare psycopg in one "
        "Python process, in the same run. The 304's query is the look-up by primary key.",
        "",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def _add_to_history(results: Sequence[Result], note: str) -> None:
    before = _HISTORY.read_text("utf-8") if _HISTORY.exists() else _HISTORY_HEAD
    cells = [
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        describe_versions()["commit"],
        *(f"{result.ratio:.2f} ({result.processor_us:,.0f})" for result in results),
        note.replace("|", "/"),
    ]
    _HISTORY.write_text(f"{before}| {' | '.join(cells)} |\n", encoding="utf-8")


def _cells(load: Load) -> tuple[str, str, str]:
    return f"{load.rate:,.0f}", f"{load.p50:.1f}", f"{load.p99:.1f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", default="")
    return parser.parse_args()


if __name__ == "__main__":
    main()
