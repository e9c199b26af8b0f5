"""What a demo tells in the end: what was sent, what came of it, and how to go on from there."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from progress_worker.demo.check import Findings
from progress_worker.demo.sent import Expectation
from progress_worker.domain.reducer import Outcome
from progress_worker.settings.complaints import PREFIX

_SHOWN_DIFFERENCES: Final = 20
_BROKER_NOTE: Final = (
    "This broker differs from Apache Kafka in two ways. A consumer waits for half its session "
    "timeout before its group assigns partitions to it: give it session.timeout.ms=6000. kcat "
    "needs librdkafka 2.2 or newer (`kcat -V` prints it): older ones cannot read this broker's "
    "list of versions, whatever their options."
)

_ROWS: Final = (
    ("completions", Outcome.APPLIED),
    ("repeats, dropped", Outcome.DUPLICATE),
    ("regrades", Outcome.REVISED),
    ("revocations", Outcome.REVOKED),
    ("broken, dead-lettered", "dead_lettered"),
)


def tell_totals(console: Console, expected: Expectation, found: Findings) -> None:
    """Print what was sent beside what the worker made of it."""
    table = Table("", "sent", "processed", box=None, padding=(0, 3))
    table.columns[1].justify = table.columns[2].justify = "right"
    processed = found.outcomes
    for name, outcome in _ROWS:
        counted = "?" if processed is None else f"{processed[outcome]:,}"
        table.add_row(name, f"{expected.outcomes[outcome]:,}", counted)
    reasons = Counter(letter.reason for letter in found.letters)
    for letter in expected.letters:
        reasons.setdefault(letter.reason, 0)
    sent = Counter(letter.reason for letter in expected.letters.elements())
    for reason in sorted(reasons):
        table.add_row(f"    {reason}", f"{sent[reason]:,}", f"{reasons[reason]:,}")
    total = expected.outcomes.total()
    in_all = "?" if processed is None else f"{processed.total():,}"
    table.add_row("events in all", f"{total:,}", in_all, style="bold")
    console.print(table)
    if processed is None:
        pace = "The worker was started again, so its own counts of events do not cover all."
    else:
        rate = processed.total() / found.seconds if found.seconds > 0 else 0
        pace = f"From the first to the last commit: {found.seconds:.2f} s, {rate:,.0f} events/s."
    console.print(
        f"{len(found.unlocks):,} achievements unlocked by {len(found.learners):,} learners and "
        f"{len(found.announcements):,} announced on Kafka. {pace}",
        highlight=False,
        soft_wrap=True,
    )
    viewed = found.viewed
    mean = "-" if viewed.average_grade is None else f"{viewed.average_grade:.1f}"
    console.print(
        f"{viewed.user_id}, read through the HTTP view: {viewed.exercises_completed:,} exercises, "
        f"mean grade {mean}, longest streak {viewed.longest_streak} days, "
        f"{viewed.achievements} achievements.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def tell_verdict(console: Console, expected: Expectation, wrong: list[str]) -> None:
    """Print whether all is as it has to be, or what is not."""
    if not wrong:
        console.print(
            f"Checked against what was sent: totals, grades, days and snapshots of "
            f"{len(expected.learners):,} learners, {expected.unlocks.total():,} unlocks and "
            f"their announcements, {expected.letters.total():,} dead letters byte for byte. "
            "All true.",
            style="green",
            highlight=False,
            soft_wrap=True,
        )
        return
    console.print(f"{len(wrong):,} things are not as they have to be:", style="bold red")
    for sentence in wrong[:_SHOWN_DIFFERENCES]:
        console.print(f"  {sentence}", markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything of a demo is; holds secrets that live as long as the demo."""

    bootstrap: str
    database_url: str
    worker_url: str
    worker_pid: int
    view_url: str
    user_id: str
    token: str
    token_settings: dict[str, str]
    directory: Path


def tell_addresses(console: Console, where: Addresses) -> None:
    """Print an example of every interface, each a line to be pasted into a shell."""
    program = f"{shlex.quote(sys.executable)} -m progress_worker"
    kafka = f"{PREFIX}KAFKA_BOOTSTRAP={where.bootstrap} {PREFIX}KAFKA_IDEMPOTENT_PRODUCER=false"
    path = f'{shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'
    tokens = " ".join(f"{name}={shlex.quote(v)}" for name, v in where.token_settings.items())
    query = "SELECT * FROM achievement_unlock ORDER BY unlocked_at DESC LIMIT 5"
    examples = {
        "Your own event: docs/first-event.md, once the shell has": (
            f"export KAFKA={where.bootstrap} VIEW={where.view_url} {tokens} PATH={path}"
        ),
        f"Kafka at {where.bootstrap}; more events": f"{kafka} {program} generate --rate 200",
        "Postgres, read-only": f"psql {shlex.quote(where.database_url)} -c {shlex.quote(query)}",
        "Kill the worker: nothing is lost, and it is started again": f"kill -9 {where.worker_pid}",
        "The worker's metrics": f"curl -s {where.worker_url}/metrics",
        f"The page of {where.user_id}, in a browser": (
            f"{where.view_url}/login?token={where.token}"
        ),
        f"The progress of {where.user_id}": (
            f"curl -s -H 'Authorization: Bearer {where.token}' {where.view_url}/api/progress"
        ),
        "A token for any learner": f"{tokens} {program} token {where.user_id} --hours 8",
        "The view's documentation": f"{where.view_url}/docs",
        "Logs": f"{where.directory}/*.log",
    }
    for name, example in examples.items():
        console.print(f"\n{name}:", style="bold", markup=False, highlight=False)
        console.print(example, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{_BROKER_NOTE}", highlight=False)
    console.print("\nEverything runs until Ctrl-C.")
