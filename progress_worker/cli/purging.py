"""`progress-worker dlq purge`: removes a learner's dead letters."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from progress_worker.cli.common import Json, console, told

if TYPE_CHECKING:
    from progress_worker.deadletters.purge import Purged
    from progress_worker.settings.kafka import KafkaSettings

_SHOWN: Final = 10


def purge(
    user: Annotated[str, typer.Option("--user", help="The learner.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove a learner's dead letters from both dead-letter topics, as after an erasure.

    Kafka deletes only the beginning of a partition. So letters of others that stand before are
    written again behind. It finds a learner by the key, and by `user_id` in a value that is JSON.
    Letters that arrive while it runs stay. Run no other purge and no redrive meanwhile.
    """
    from progress_worker.settings.kafka import load_kafka_settings  # noqa: PLC0415

    settings = load_kafka_settings()
    topics = (settings.dead_letter_topic, settings.commands_dead_letter_topic)
    results = {
        topic: asyncio.run(_purge(settings, topic, user, dry_run=dry_run)) for topic in topics
    }
    if as_json:
        content = {topic: _content(result) for topic, result in results.items()}
        typer.echo(json.dumps({"dry_run": dry_run, "topics": content}, indent=2))
        return
    for topic, result in results.items():
        typer.echo(" ".join(_sentences(topic, result, dry_run=dry_run)))


async def _purge(settings: KafkaSettings, topic: str, user: str, *, dry_run: bool) -> Purged:
    from progress_worker.deadletters.purge import Purge  # noqa: PLC0415
    from progress_worker.deadletters.reading import open_dead_letters  # noqa: PLC0415

    columns = TextColumn("Reading dead letters"), BarColumn(), MofNCompleteColumn()
    async with open_dead_letters(settings, topic) as dead_letters:
        run = Purge(settings, dead_letters, user, dry_run=dry_run)
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=dead_letters.total)
            return await run.run(lambda: bar.advance(task))


def _sentences(topic: str, result: Purged, *, dry_run: bool) -> list[str]:
    verb = "would remove" if dry_run else "removed"
    found = [f"{topic}: {verb} {result.removed.total():,} dead letters{told(result.removed)}."]
    if result.rewritten:
        found.append(f"{result.rewritten:,} of others were written again behind.")
    if result.untold:
        places = ", ".join(result.untold[:_SHOWN])
        more = "" if len(result.untold) <= _SHOWN else ", …"
        found.append(
            f"Of {len(result.untold):,} neither key nor value tells whose they are, and they stay: "
            f"{places}{more} (look with `progress-worker dlq show`)."
        )
    return found


def _content(result: Purged) -> dict[str, Any]:
    return {
        "removed": dict(result.removed.most_common()),
        "rewritten": result.rewritten,
        "untold": result.untold,
    }
