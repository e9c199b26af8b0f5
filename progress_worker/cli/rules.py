"""`progress-worker rules`: checks a rule book, tries it, compares and activates it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from progress_worker.cli.common import Commands, Json, print_json

if TYPE_CHECKING:
    from progress_worker.walks.rule_diff import Totals

rules_cli = typer.Typer(
    cls=Commands,
    help="Check a rule book, try it on events, see what it would change, and activate it.",
    no_args_is_help=True,
)

#: The exit status when learners lose something, and the caller does not allow it.
_LOSS: Final = 3


@rules_cli.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="By default PROGRESS_CATALOGUE_FILE, or the built-in one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a sentence for each mistake or suspicion; exit status 1 if something is wrong."""
    from progress_worker.domain.suspicions import suspicions  # noqa: PLC0415
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415
    from progress_worker.settings.shared import load_shared_settings  # noqa: PLC0415

    rules = load_rules(load_shared_settings(**_catalogue(file)))
    suspicious = list(suspicions(rules.book))
    if as_json:
        print_json(rules.summary() | {"suspicious": suspicious})
        return
    typer.echo(str(rules))
    for sentence in suspicious:
        typer.echo(f"Suspicious: {sentence}")


@rules_cli.command()
def diff(
    file: Annotated[Path, typer.Argument(help="The rule book that is not active yet.")],
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Exit with status 0 also when somebody loses.")
    ] = False,
    hash_ids: Annotated[
        bool,
        typer.Option(
            "--hash-ids",
            help="In place of user ids, print the first 12 hex digits of the SHA-256 of each. The "
            "same id has the same hash everywhere. Who knows the ids can find the learner.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what a rule book would change for all learners; exit status 3 if somebody loses.

    Nothing is written. It needs the worker's settings and no Kafka.
    """
    from progress_worker.cli.rule_diff import run_rule_diff  # noqa: PLC0415
    from progress_worker.walks.command import refusals_explained  # noqa: PLC0415

    with refusals_explained("rules diff"):
        report = asyncio.run(run_rule_diff(file, hash_ids=hash_ids))
    if as_json:
        print_json(report.content())
    else:
        report.print()
    raise typer.Exit(exit_status(report.totals, allow_loss=allow_loss))


def exit_status(totals: Totals, *, allow_loss: bool) -> int:
    """What `rules diff` ends with."""
    return _LOSS if totals.lost and not allow_loss else 0


@rules_cli.command()
def activate(
    file: Annotated[Path, typer.Argument(help="The rule book, with a higher version.")],
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100_000,
            help="Learners that the walk moves in a second, for this rule book. By default "
            "PROGRESS_WALK_LEARNERS_PER_SECOND of the workers.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option(help="Wait until every learner is moved; the workers do it.")
    ] = True,
) -> None:
    """Make a rule book the active one, and follow the move of all learners to it.

    Workers and views use it within seconds. Stopping the command does not stop the move.
    """
    from progress_worker.cli.rule_activation import print_status, run_activation  # noqa: PLC0415
    from progress_worker.walks.command import refusals_explained  # noqa: PLC0415

    try:
        with refusals_explained("rules activate"):
            found = asyncio.run(run_activation(file, learners_per_second=rate, follow=follow))
    except KeyboardInterrupt:
        typer.echo(
            "Stopped. The workers go on; `progress-worker rules status` says how far they are.",
            err=True,
        )
        raise typer.Exit(130) from None
    print_status(found)


@rules_cli.command()
def status(as_json: Json = False) -> None:
    """Print which rule book is active and how many learners are complete by it."""
    from progress_worker.cli.rule_activation import (  # noqa: PLC0415
        print_status,
        run_status,
        status_content,
    )
    from progress_worker.walks.command import refusals_explained  # noqa: PLC0415

    with refusals_explained("rules status"):
        found = asyncio.run(run_status())
    if as_json:
        print_json(status_content(found))
    else:
        print_status(found)


@rules_cli.command("try")
def try_(
    events: Annotated[
        typer.FileBinaryRead,
        typer.Argument(
            metavar="EVENTS",
            help="One JSON object a line: the data of exercise.completed.v1, or a structured "
            "CloudEvent of that type or of streak.days.excused.v1. `-` for standard input.",
        ),
    ],
    rules: Annotated[
        Path | None,
        typer.Option(
            help="The rule book. By default PROGRESS_CATALOGUE_FILE, or the built-in one."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per line, the last one in all.")
    ] = False,
) -> None:
    """Print what events would unlock by a rule book; exit status 1 if a line is wrong.

    It needs no broker and no database. Streaks are read on the learner's last active day.
    """
    from progress_worker.cli.rule_trial import run_rule_trial  # noqa: PLC0415
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415
    from progress_worker.settings.shared import load_shared_settings  # noqa: PLC0415

    configured = load_rules(load_shared_settings(**_catalogue(rules)))
    if run_rule_trial(configured, events, as_json=as_json):
        raise typer.Exit(1)


def _catalogue(file: Path | None) -> dict[str, Any]:
    """The setting that this file overrides; none without a file."""
    return {} if file is None else {"catalogue_file": file}
