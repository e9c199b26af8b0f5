"""Lets every contestant drain the same backlog, in turns, and writes the results down.

python bench/run.py [--quick] [--events N] [--rounds N] [--only NAME,NAME]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.contestants.lineup import (
    CEILING,
    EVERYONE,
    ON_REQUEST,
    QUIX,
    WORKER,
    Contestant,
    why_without_quix,
)
from bench.history import add_to_history
from bench.machine import describe_machine, describe_versions
from bench.plot import chart
from bench.report import failures, goals, page, table
from bench.results import Results, Standing
from bench.trial import run_trial
from bench.watch import TrialError
from bench.workload import Workload, in_bare_json, in_binary_mode, make_workload
from progress_worker.settings.rules import load_rules
from progress_worker.settings.shared import SharedSettings

_RESULTS = Path(__file__).with_name("results")
_EVENTS = 100_000
_QUICK_EVENTS = 40_000
_ENVELOPES = {"bare": in_bare_json, "binary": in_binary_mode}


def main() -> None:
    """Measure, print and save."""
    options = _options()
    console = Console()
    _RESULTS.mkdir(exist_ok=True)
    standings = measure(options, console)
    results = Results(
        measured_at=dt.datetime.now(dt.UTC),
        machine=describe_machine(),
        versions=describe_versions(),
        mean_bytes=_workload(options.events, options.envelope).mean_bytes,
        rounds=options.rounds,
        standings=standings,
    )
    console.print(table(results))
    for sentence in (*goals(results), *failures(results)):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    if options.note:
        add_to_history(_RESULTS / "history.md", results, options.note)
    if options.save:
        _save(results)
        console.print(f"Saved in {_RESULTS.relative_to(Path(__file__).parents[1])}.")


def measure(options: argparse.Namespace, console: Console) -> list[Standing]:
    """Measure every contestant once a round, so that a busy minute affects all of them."""
    contestants = _contestants(options)
    standings = {
        contestant.name: Standing(
            contestant.name, contestant.title, round(options.events * contestant.share)
        )
        for contestant in contestants
    }
    if QUIX in contestants:
        standings[QUIX.name].failure = why_without_quix()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=options.rounds * len(contestants))
        for number in range(1, options.rounds + 1):
            for contestant in contestants:
                standing = standings[contestant.name]
                heading = f"Round {number}, {contestant.title}"
                progress.update(task, description=heading)
                if standing.failure is None:
                    workload = _workload(standing.events, options.envelope)
                    _try(contestant, standing, workload, console, heading)
                progress.advance(task)
    return list(standings.values())


def _try(
    contestant: Contestant,
    standing: Standing,
    workload: Workload,
    console: Console,
    heading: str,
) -> None:
    try:
        measurement = run_trial(contestant, workload)
    except TrialError as error:
        standing.failure = str(error)
        console.print(f"{heading}: no rate")
        return
    standing.measurements.append(measurement)
    console.print(f"{heading}: {measurement.rate:,.0f} events/s", highlight=False)


@cache
def _workload(events: int, envelope: str) -> Workload:
    settings = SharedSettings()
    return make_workload(events, _ENVELOPES[envelope], load_rules(settings).book)


def _contestants(options: argparse.Namespace) -> Sequence[Contestant]:
    if options.quick:
        return WORKER, CEILING
    if not options.only:
        return EVERYONE
    names = options.only.split(",")
    return [contestant for contestant in (*EVERYONE, *ON_REQUEST) if contestant.name in names]


def _save(results: Results) -> None:
    document = json.dumps(results.document(), indent=2, ensure_ascii=False)
    (_RESULTS / "latest.json").write_text(document + "\n", encoding="utf-8")
    (_RESULTS / "latest.md").write_text(page(results), encoding="utf-8")
    (_RESULTS / "latest.svg").write_text(chart(results), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How fast the worker drains a backlog.")
    names = ", ".join(contestant.name for contestant in (*EVERYONE, *ON_REQUEST))
    parser.add_argument("--quick", action="store_true", help="worker and ceiling; saves nothing")
    parser.add_argument("--events", type=int, help=f"size of the full work (default: {_EVENTS:,})")
    parser.add_argument("--rounds", type=int, default=3, help="results are their medians")
    parser.add_argument("--only", help=f"some of {names}; saves nothing")
    parser.add_argument(
        "--envelope", choices=sorted(_ENVELOPES), default="bare", help="how events are written"
    )
    parser.add_argument("--note", help="what changed: adds a line to results/history.md")
    options = parser.parse_args()
    named = set((options.only or names).replace(" ", "").split(","))
    if options.note and not {WORKER.name, CEILING.name} <= named:
        parser.error(f"--note needs both {WORKER.name} and {CEILING.name}")
    options.events = options.events or (_QUICK_EVENTS if options.quick else _EVENTS)
    options.save = not (options.quick or options.only)
    return options


if __name__ == "__main__":
    main()
