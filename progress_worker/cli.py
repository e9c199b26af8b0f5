"""The command line: every command reads its settings and calls one thing."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import json
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from progress_worker import __version__
from progress_worker.deadletters.cli import dlq_cli
from progress_worker.errors import FatalError, ProgressError, TransientError
from progress_worker.walks.cli import verify

_HELP = {"help_option_names": ["-h", "--help"]}
cli = typer.Typer(
    help="Turns a stream of finished exercises into learners' progress.",
    no_args_is_help=True,
    context_settings=_HELP,
    rich_markup_mode=None,  # a box would wrap what is read in a pipe or a log
    pretty_exceptions_enable=False,
)
topics_cli = typer.Typer(help="Make and compare the Kafka topics.", no_args_is_help=True)
cli.add_typer(topics_cli, name="topics")
config_cli = typer.Typer(help="Say what the settings amount to.", no_args_is_help=True)
cli.add_typer(config_cli, name="config")
rules_cli = typer.Typer(
    help="Look at a rule book: achievements, level thresholds.", no_args_is_help=True
)
cli.add_typer(rules_cli, name="rules")
cli.add_typer(dlq_cli, name="dlq")
cli.command()(verify)
_console = Console()

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def main() -> None:
    """Run a command; an error of ours is one sentence on standard error and exit status 1."""
    # That a client cannot connect is in the sentence; worker and view have logs of their own.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        cli()
    except ProgressError as error:
        sentence = str(error)
        typer.echo(sentence if sentence.endswith((".", "?")) else f"{sentence}.", err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        typer.echo(f"Nothing more can be written: {error.strerror}.", err=True)
        # What is left in the buffer would fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


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
    # These two report such variables as errors.
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


@cli.command()
def worker() -> None:
    """Run the worker: ingest, outbox relay, commands, probes."""
    from progress_worker.app import run_worker  # noqa: PLC0415 - a command loads what it needs
    from progress_worker.settings.worker import load_settings  # noqa: PLC0415

    run_worker(load_settings())


@cli.command()
def api() -> None:
    """Run the read-only HTTP view."""
    from progress_worker.doctor.configuration import check_files  # noqa: PLC0415
    from progress_worker.http.application import serve  # noqa: PLC0415
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415
    from progress_worker.settings.view import load_view_settings  # noqa: PLC0415

    settings = load_view_settings()
    check_files(settings)
    serve(settings, load_rules(settings).book)


@cli.command()
def token(
    user_id: Annotated[str, typer.Argument(help="Whom the token speaks for.")],
    scope: Annotated[str, typer.Option(help="Space-separated scopes.")] = "",
    hours: Annotated[float, typer.Option(min=0.01, help="How long it is valid.")] = 1.0,
) -> None:
    """Print a token for the view, signed with PROGRESS_JWT_SECRET."""
    from progress_worker.http.security.authentication import mint_token  # noqa: PLC0415
    from progress_worker.settings.view import load_token_settings  # noqa: PLC0415

    lifetime = dt.timedelta(hours=hours)
    typer.echo(mint_token(load_token_settings(), user_id, scope=scope, lifetime=lifetime))


@cli.command()
def migrate(
    revision: Annotated[str, typer.Option(help="Up or down to this revision.")] = "head",
) -> None:
    """Bring the database to this release's schema and grant the roles."""
    from progress_worker.settings.migration import load_migration_settings  # noqa: PLC0415
    from progress_worker.storage.schema.migrate import migrate as run  # noqa: PLC0415

    settings = load_migration_settings()
    with _naming(settings.owner_variable):
        reached = run(settings.owner_url, revision, settings.worker_role, settings.view_role)
    typer.echo(f"The database is at revision {reached}.")


@cli.command()
def distribute(
    shards: Annotated[int, typer.Option(min=1, help="Parts of each table; for ever.")] = 32,
) -> None:
    """Distribute the migrated learner tables over a Citus cluster; can be repeated."""
    from progress_worker.settings.migration import load_migration_settings  # noqa: PLC0415
    from progress_worker.storage.schema.distribution import distribute as run  # noqa: PLC0415

    settings = load_migration_settings()
    with _naming(settings.owner_variable):
        done = run(settings.owner_url, shards)
    typer.echo(f"Distributed: {', '.join(done)}." if done else "All tables are distributed.")


@contextmanager
def _naming(variable: str) -> Iterator[None]:
    """Add the variable that holds the address, where Postgres cannot be reached at it."""
    try:
        yield
    except TransientError as error:
        raise TransientError(f"{error} ({variable})") from error


@cli.command()
def demo(
    count: Annotated[int, typer.Option(min=1, help="How many events.")] = 5_000,
    learners: Annotated[int, typer.Option(min=1, help="Of how many learners.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed makes the same learners.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0: no limit.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave all running until Ctrl-C.")] = False,
) -> None:
    """Run the whole system on this machine; exit status 0 only if all that it shows is true."""
    from progress_worker.demo.demo import Options, run_demo  # noqa: PLC0415

    if not run_demo(Options(count, learners, seed, rate, keep), _console):
        raise typer.Exit(1)


@cli.command()
def generate(
    count: Annotated[int, typer.Option(min=1, help="How many records.")] = 10_000,
    rate: Annotated[float, typer.Option(min=0, help="Records a second; 0: no limit.")] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Repeats what it made; any when left out.")
    ] = None,
    learners: Annotated[int, typer.Option(min=1, help="Of how many learners.")] = 100,
) -> None:
    """Publish generated exercises to the broker that PROGRESS_KAFKA_* names."""
    from progress_worker.generator.command import run_generate  # noqa: PLC0415
    from progress_worker.settings.kafka import load_kafka_settings  # noqa: PLC0415

    run_generate(
        load_kafka_settings(),
        count=count,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        learners=learners,
        rate=rate,
        console=_console,
    )


@topics_cli.command("create")
def topics_create() -> None:
    """Create the topics that are missing."""
    from progress_worker.kafka.topics import create_topics  # noqa: PLC0415
    from progress_worker.settings.kafka import load_kafka_settings  # noqa: PLC0415

    created = asyncio.run(create_topics(load_kafka_settings()))
    typer.echo(f"Created: {', '.join(created)}." if created else "All topics exist.")


@topics_cli.command("check")
def topics_check(as_json: _Json = False) -> None:
    """Compare the topics with what this deployment wants; exit status 1 when they differ."""
    from progress_worker.kafka.topics import check_topics  # noqa: PLC0415
    from progress_worker.settings.kafka import load_kafka_settings  # noqa: PLC0415

    complaints = asyncio.run(check_topics(load_kafka_settings()))
    if as_json:
        _print_json({"as_wanted": not complaints, "differences": complaints})
    else:
        typer.echo("\n".join(complaints) or "The topics are as wanted.")
    if complaints:
        raise typer.Exit(1)


@config_cli.command("check")
def config_check(
    command: Annotated[
        Literal["worker", "api", "migrate"], typer.Option("--for", help="Whose settings.")
    ] = "worker",
    as_json: _Json = False,
) -> None:
    """Say what a command would use and from where; exit status 1 when something is wrong."""
    from progress_worker.doctor.configuration import Command, check_configuration  # noqa: PLC0415

    checked = check_configuration(Command(command))
    if as_json:
        _print_json(
            {
                "settings": [
                    {"variable": used.variable, "value": used.value, "source": used.source}
                    for used in checked.settings
                ],
                "rule_book": checked.rules and checked.rules.summary(),
            }
        )
        return
    width = max(len(used.variable) for used in checked.settings)
    for used in checked.settings:
        typer.echo(f"{used.variable:{width}}  {used.source:11}  {used.value}".rstrip())
    if checked.rules is not None:
        typer.echo(str(checked.rules))


@rules_cli.command("check")
def rules_check(
    file: Annotated[
        Path | None, typer.Argument(help="By default PROGRESS_CATALOGUE_FILE, else the built-in.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Say in a sentence each what is wrong or suspicious; exit status 1 when something is wrong."""
    from progress_worker.domain.suspicions import suspicions  # noqa: PLC0415
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415
    from progress_worker.settings.shared import load_shared_settings  # noqa: PLC0415

    rules = load_rules(load_shared_settings(**({} if file is None else {"catalogue_file": file})))
    suspicious = list(suspicions(rules.book))
    if as_json:
        _print_json(rules.summary() | {"suspicious": suspicious})
        return
    typer.echo(str(rules))
    for sentence in suspicious:
        typer.echo(f"Suspicious: {sentence}")


@cli.command()
def doctor(
    command: Annotated[
        Literal["worker", "api"] | None,
        typer.Option("--for", help="What is examined; by default what the settings speak of."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Connect to everything, say what is wrong; exit status 1 when anything is."""
    if not asyncio.run(_examine(command, as_json=as_json)):
        raise typer.Exit(1)


async def _examine(command: Literal["worker", "api"] | None, *, as_json: bool) -> bool:
    from progress_worker.doctor.examination import examine  # noqa: PLC0415

    findings = []
    async for finding in examine(command):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{'wrong' if finding.wrong else 'ok':5}  {finding.sentence}")
    well = not any(finding.wrong for finding in findings)
    if as_json:
        _print_json({"well": well, "findings": [finding._asdict() for finding in findings]})
    return well


@cli.command()
def reference(directory: Annotated[Path, typer.Argument()] = Path("docs")) -> None:
    """Write the reference pages: settings.md, metrics.md."""
    from progress_worker.published.reference import write_reference  # noqa: PLC0415

    _write(directory, write_reference)


@cli.command()
def schemas(directory: Annotated[Path, typer.Argument()] = Path("schemas")) -> None:
    """Write the published contracts: JSON Schemas, asyncapi.yaml, openapi.json."""
    from progress_worker.http.application import write_openapi  # noqa: PLC0415
    from progress_worker.published.schemas import write_schemas  # noqa: PLC0415

    _write(directory, write_schemas, write_openapi)


def _write(directory: Path, *writers: Callable[[Path], None]) -> None:
    try:
        for write in writers:
            write(directory)
    except OSError as error:
        raise FatalError(
            f"{error.filename or directory} cannot be written: {error.strerror}."
        ) from error
    typer.echo(f"Wrote {directory}.")


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
