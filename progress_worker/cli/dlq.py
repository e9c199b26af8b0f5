"""`progress-worker dlq`: list, show, re-drive and purge dead letters."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from progress_worker.cli.common import Commands, Json, console, told
from progress_worker.cli.purging import purge
from progress_worker.errors import Reason, TransientError

if TYPE_CHECKING:
    from progress_worker.deadletters.letters import Letter, Selection
    from progress_worker.settings.kafka import KafkaSettings

dlq_cli = typer.Typer(
    cls=Commands,
    help="List dead letters, show one, send them back to their topic, or remove a learner's.",
    no_args_is_help=True,
)
dlq_cli.command()(purge)

_is_place = re.compile(r"\d+:\d+").fullmatch
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
_Reasons = Annotated[
    list[Reason] | None, typer.Option("--reason", help="Only this reason. Repeat for more.")
]
_Since = Annotated[
    dt.datetime | None,
    typer.Option(
        help="Only those dead-lettered at this time or later. In UTC, unless it has an offset.",
        formats=_TIMES,
    ),
]
_Until = Annotated[
    dt.datetime | None,
    typer.Option(help="Only those dead-lettered before this time.", formats=_TIMES),
]
_Partition = Annotated[
    int | None, typer.Option(min=0, help="Only those from this partition of the original topic.")
]
_Topic = Annotated[
    str | None,
    typer.Option(
        help="The dead-letter topic: that of events (PROGRESS_DEAD_LETTER_TOPIC), which is the "
        "default, or that of commands (PROGRESS_COMMANDS_DEAD_LETTER_TOPIC)."
    ),
]
_Key = Annotated[str | None, typer.Option(help="Only those with this key, which is a user id.")]


@dlq_cli.command("list")
def list_letters(
    reason: _Reasons = None,
    since: _Since = None,
    until: _Until = None,
    partition: _Partition = None,
    key: _Key = None,
    topic: _Topic = None,
    limit: Annotated[
        int, typer.Option(min=0, help="How many rows to print. All are counted.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters with their place, time, reason and origin, but never their content."""
    selection = _selection(reason, since, until, partition, key)
    settings = _settings()
    asyncio.run(_list(settings, _topic(settings, topic), selection, limit, as_json=as_json))


@dlq_cli.command()
def show(
    place: Annotated[str, typer.Argument(help="PARTITION:OFFSET, as `list` prints it.")],
    topic: _Topic = None,
) -> None:
    """Print one dead letter with its key, headers and value. They are personal data."""
    if not _is_place(place):
        raise typer.BadParameter(f"it must be PARTITION:OFFSET, not {place!r}", param_hint="PLACE")
    settings = _settings()
    asyncio.run(_show(settings, _topic(settings, topic), place))


@dlq_cli.command()
def redrive(
    reason: _Reasons = None,
    since: _Since = None,
    until: _Until = None,
    partition: _Partition = None,
    key: _Key = None,
    topic: _Topic = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also send those that were re-driven before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be sent.")
    ] = False,
) -> None:
    """Send dead letters back to the topic and partition that they came from.

    Key, value and headers are unchanged. You may send an event twice: one that was already applied
    changes nothing. The offsets of the consumer group `<group>-redrive` remember what was sent, and
    later runs leave it out, unless you give --again. A record that is still broken comes back as a
    new dead letter.
    """
    selection = _selection(reason, since, until, partition, key)
    settings = _settings()
    asyncio.run(
        _redrive(settings, _topic(settings, topic), selection, again=again, dry_run=dry_run)
    )


async def _list(
    settings: KafkaSettings, topic: str, selection: Selection, limit: int, *, as_json: bool
) -> None:
    from progress_worker.deadletters.reading import open_dead_letters  # noqa: PLC0415

    counts: Counter[str] = Counter()
    listed: list[tuple[Letter, bool]] = []
    async with open_dead_letters(settings, topic) as dead_letters:
        async for letter in dead_letters.letters():
            if not selection.holds(letter):
                continue
            counts[letter.reason] += 1
            if len(listed) < limit:
                listed.append((letter, letter.offset in dead_letters.marks[letter.partition]))
    if as_json:
        content = {
            "total": counts.total(),
            "reasons": dict(counts.most_common()),
            "letters": [_described(letter, marked) for letter, marked in listed],
        }
        typer.echo(json.dumps(content, indent=2))
        return
    if listed:
        table = Table(box=None)
        for name in ("place", "failed at", "reason", "origin", "re-driven", "message"):
            table.add_column(
                name, overflow="fold"
            )  # so that nothing is cut off in a narrow terminal
        for letter, marked in listed:
            table.add_row(*map(Text, _row(letter, "yes" if marked else "no")))
        console.print(table)
    typer.echo(f"{counts.total():,} dead letters{told(counts)}.")


async def _show(settings: KafkaSettings, topic: str, place: str) -> None:
    from progress_worker.deadletters.reading import open_dead_letters  # noqa: PLC0415

    async with open_dead_letters(settings, topic) as dead_letters:
        async for letter in dead_letters.letters():
            if letter.place == place:
                typer.echo("\n".join(_details(letter)))
                return
    raise TransientError(f"There is no dead letter at {place}.")


async def _redrive(
    settings: KafkaSettings, topic: str, selection: Selection, *, again: bool, dry_run: bool
) -> None:
    from progress_worker.deadletters.reading import open_dead_letters  # noqa: PLC0415
    from progress_worker.deadletters.redrive import Redrive  # noqa: PLC0415

    columns = TextColumn("Reading dead letters"), BarColumn(), MofNCompleteColumn()
    async with open_dead_letters(settings, topic) as dead_letters:
        run = Redrive(settings, dead_letters, selection, again=again, dry_run=dry_run)
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=dead_letters.total)
            result = await run.run(lambda: bar.advance(task))
    verb = "Would re-drive" if dry_run else "Re-drove"
    sentences = [f"{verb} {result.sent.total():,} dead letters{told(result.sent)}."]
    if result.before:
        sentences.append(f"{result.before:,} were re-driven before (--again sends them too).")
    if result.homeless:
        sentences.append(f"{result.homeless:,} do not come from a topic of this deployment.")
    typer.echo("\n".join(sentences))


def _settings() -> KafkaSettings:
    from progress_worker.settings.kafka import load_kafka_settings  # noqa: PLC0415

    return load_kafka_settings()


def _topic(settings: KafkaSettings, chosen: str | None) -> str:
    """The chosen dead-letter topic. It must be one of this deployment."""
    topics = settings.dead_letter_topic, settings.commands_dead_letter_topic
    if chosen is None:
        return topics[0]
    if chosen not in topics:
        raise typer.BadParameter(
            f"it must be {' or '.join(topics)}, not {chosen!r}", param_hint="--topic"
        )
    return chosen


def _selection(
    reasons: list[Reason] | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    partition: int | None,
    key: str | None,
) -> Selection:
    from progress_worker.deadletters.letters import Selection  # noqa: PLC0415

    return Selection(
        frozenset(reason.value for reason in reasons or ()),
        _aware(since),
        _aware(until),
        partition,
        None if key is None else key.encode(),
    )


def _aware(time: dt.datetime | None) -> dt.datetime | None:
    return time.replace(tzinfo=dt.UTC) if time is not None and time.tzinfo is None else time


def _row(letter: Letter, marked: str) -> list[str]:
    origin = ":".join(map(str, letter.origin)) if letter.origin else "-"
    failed_at, message = _moment(letter.failed_at), _printable(letter.message)
    return [letter.place, failed_at, letter.reason, origin, marked, message]


def _described(letter: Letter, marked: bool) -> dict[str, Any]:
    """What `list --json` prints of a letter."""
    failed_at = letter.failed_at
    return {
        "place": letter.place,
        "failed_at": failed_at.isoformat() if failed_at else None,
        "reason": letter.reason,
        "origin": letter.origin._asdict() if letter.origin else None,
        "redriven": marked,
        "message": letter.message,
    }


def _details(letter: Letter) -> list[str]:
    place, failed_at, reason, origin, _, message = _row(letter, "")
    about = {
        "place": place,
        "failed at": failed_at,
        "reason": reason,
        "message": message,
        "origin": origin,
        "sent at": _moment(letter.sent_at),
        "worker version": _printable(letter.worker_version),
    }
    lines = [f"{name}: {value}" for name, value in about.items()]
    lines += [f"header {_printable(name)}: {_text(content)}" for name, content in letter.headers]
    return [*lines, f"key: {_text(letter.key)}", f"value: {_text(letter.value)}"]


def _moment(time: dt.datetime | None) -> str:
    return time.isoformat(timespec="seconds") if time else "-"


def _text(content: bytes | None) -> str:
    return "null" if content is None else _printable(content.decode(errors="backslashreplace"))


def _printable(text: str) -> str:
    """The text with control characters escaped, so that a terminal does not obey them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
