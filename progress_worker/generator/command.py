"""The `generate` command: the generator against any broker, with a progress bar."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Sequence

from aiokafka.structs import RecordMetadata
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from progress_worker.generator.generator import GeneratedRecord, Kind, generate
from progress_worker.generator.publish import publish
from progress_worker.settings.kafka import KafkaSettings


def run_generate(
    settings: KafkaSettings, *, count: int, seed: int, learners: int, rate: float, console: Console
) -> None:
    """Publish this many records and print what they were, also if interrupted.

    Raises TransientError when Kafka cannot be reached or does not acknowledge in time.
    """
    kinds: Counter[Kind] = Counter()
    bar = Progress(
        TextColumn("Publishing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=count, rate=0.0)

        def acknowledged(chunk: Sequence[tuple[GeneratedRecord, RecordMetadata]]) -> None:
            kinds.update(record.kind for record, _ in chunk)
            bar.update(task, advance=len(chunk), rate=bar.tasks[0].speed or 0.0)

        records = generate(count, seed, learners, dt.datetime.now(dt.UTC))
        try:
            asyncio.run(publish(settings, records, acknowledged, rate=rate))
        finally:
            bar.stop()
            if kinds:
                console.print(
                    f"Published {kinds.total():,} records with seed {seed} to "
                    f"{settings.completed_topic}: {_told(kinds)}.",
                    highlight=False,
                    soft_wrap=True,
                )


def _told(kinds: Counter[Kind]) -> str:
    return ", ".join(f"{kinds[kind]:,} {kind.value}" for kind in Kind)
