"""The command with its groups, and how it ends when something fails."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from typing import Annotated

import structlog
import typer

from progress_worker import __version__
from progress_worker.cli.checking import checking_cli
from progress_worker.cli.common import Commands, console
from progress_worker.cli.dlq import dlq_cli
from progress_worker.cli.erasures import erasing_cli
from progress_worker.cli.explain import explain
from progress_worker.cli.exporting import export
from progress_worker.cli.migrating import migrating_cli
from progress_worker.cli.publishing import publishing_cli
from progress_worker.cli.rules import rules_cli
from progress_worker.cli.running import running_cli
from progress_worker.cli.sizing import sizing
from progress_worker.errors import ProgressError
from progress_worker.walks.cli import verify

cli = typer.Typer(
    cls=Commands,
    help="Turns a stream of finished exercises into learners' progress.",
    no_args_is_help=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "terminal_width": None if console.is_terminal else console.width,
    },
    rich_markup_mode=None,  # a box would wrap lines in a pipe or a log
    pretty_exceptions_enable=False,
)
cli.add_typer(dlq_cli, name="dlq")
cli.add_typer(rules_cli, name="rules")
for commands in (running_cli, migrating_cli, checking_cli, erasing_cli, publishing_cli):
    cli.add_typer(commands)
cli.command()(verify)
cli.command()(explain)
cli.command()(sizing)
cli.command()(export)


def main() -> None:
    """Run a command. A ProgressError becomes one sentence on standard error and exit status 1.

    With `--json` it becomes a JSON object on standard output.
    """
    # The sentence says that a client cannot connect; worker and view configure their own logs.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    # What other commands log is not what they print.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        try:
            cli()
        except ProgressError as error:
            _print_error(error)
            sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        typer.echo(f"Nothing more can be written: {error.strerror}.", err=True)
        # Python would try to write the rest of the buffer at the exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _print_error(error: ProgressError) -> None:
    if "--json" in sys.argv:
        content = {"well": False, "sentences": error.sentence.splitlines()}
        typer.echo(json.dumps(content))
    else:
        typer.echo(error.sentence, err=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@cli.callback()
def begin(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Turns a stream of finished exercises into learners' progress."""
    # These two commands report unknown variables as errors.
    if context.invoked_subcommand not in {"config", "doctor"} and any(
        name.upper().startswith("PROGRESS_") for name in os.environ
    ):
        from progress_worker.doctor.configuration import unread_variables  # noqa: PLC0415

        for sentence in unread_variables():
            typer.echo(f"Warning: {sentence}", err=True)


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
