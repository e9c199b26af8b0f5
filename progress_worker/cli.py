"""The command line: every command reads its settings and calls one thing."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import secrets
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from progress_worker import __version__
from progress_worker.deadletters.cli import dlq_cli
from progress_worker.errors import ProgressError

cli = typer.Typer(
    help="Turns a stream of finished exercises into learners' progress.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics_cli = typer.Typer(help="Make and compare the Kafka topics.", no_args_is_help=True)
cli.add_typer(topics_cli, name="topics")
config_cli = typer.Typer(help="Say what the settings amount to.", no_args_is_help=True)
cli.add_typer(config_cli, name="config")
cli.add_typer(dlq_cli, name="dlq")
_console = Console()


def main() -> None:
    """Run a command; an error of ours is one sentence on standard error and exit status 1."""
    # That a client cannot connect is in the sentence; worker and view have logs of their own.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        cli()
    except ProgressError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


@cli.command()
def version() -> None:
    """Print the version."""
    _console.print(__version__)


@cli.command()
def worker() -> None:
    """Run the worker: ingest, outbox relay, commands, probes."""
    from progress_worker.app import run_worker  # noqa: PLC0415 - a command loads what it needs
    from progress_worker.settings import load_settings  # noqa: PLC0415

    run_worker(load_settings())


@cli.command()
def api() -> None:
    """Run the read-only HTTP view."""
    from progress_worker.deployment import level_rules, load_catalogue  # noqa: PLC0415
    from progress_worker.http.application import serve  # noqa: PLC0415
    from progress_worker.settings import load_view_settings  # noqa: PLC0415

    settings = load_view_settings()
    serve(settings, load_catalogue(settings), level_rules(settings))


@cli.command()
def token(
    user_id: Annotated[str, typer.Argument(help="Whom the token speaks for.")],
    scope: Annotated[str, typer.Option(help="Space-separated scopes.")] = "",
    hours: Annotated[float, typer.Option(min=0.01, help="How long it is valid.")] = 1.0,
) -> None:
    """Print a token for the view, signed with PROGRESS_JWT_SECRET."""
    from progress_worker.http.authentication import mint_token  # noqa: PLC0415
    from progress_worker.settings import load_token_settings  # noqa: PLC0415

    lifetime = dt.timedelta(hours=hours)
    typer.echo(mint_token(load_token_settings(), user_id, scope=scope, lifetime=lifetime))


@cli.command()
def migrate(
    revision: Annotated[str, typer.Option(help="Up or down to this revision.")] = "head",
) -> None:
    """Bring the database to this release's schema and grant the roles."""
    from progress_worker.settings import load_migration_settings  # noqa: PLC0415
    from progress_worker.storage.migrate import migrate as run  # noqa: PLC0415

    settings = load_migration_settings()
    reached = run(settings.owner_url, revision, settings.worker_role, settings.view_role)
    _console.print(f"The database is at revision {reached}.")


@cli.command()
def distribute(
    shards: Annotated[int, typer.Option(min=1, help="Parts of each table; for ever.")] = 32,
) -> None:
    """Distribute the migrated learner tables over a Citus cluster; can be repeated."""
    from progress_worker.settings import load_migration_settings  # noqa: PLC0415
    from progress_worker.storage.distribution import distribute as run  # noqa: PLC0415

    done = run(load_migration_settings().owner_url, shards)
    _console.print(f"Distributed: {', '.join(done)}." if done else "All tables are distributed.")


@cli.command()
def demo(
    count: Annotated[int, typer.Option(min=1, help="How many events.")] = 5_000,
    learners: Annotated[int, typer.Option(min=1, help="Of how many learners.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed makes the same learners.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0: no limit.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave all running until Ctrl-C.")] = False,
) -> None:
    """Run the whole system on this machine; exit status 0 only if all that it shows is true."""
    from progress_worker.embedded.demo import Options, run_demo  # noqa: PLC0415

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
    from progress_worker.embedded.generate_command import run_generate  # noqa: PLC0415
    from progress_worker.settings import load_kafka_settings  # noqa: PLC0415

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
    from progress_worker.settings import load_kafka_settings  # noqa: PLC0415
    from progress_worker.topics import create_topics  # noqa: PLC0415

    created = asyncio.run(create_topics(load_kafka_settings()))
    told = f"Created: {', '.join(created)}." if created else "All topics exist."
    _console.print(told, soft_wrap=True)


@topics_cli.command("check")
def topics_check() -> None:
    """Compare the topics with what this deployment wants; exit status 1 when they differ."""
    from progress_worker.settings import load_kafka_settings  # noqa: PLC0415
    from progress_worker.topics import check_topics  # noqa: PLC0415

    complaints = asyncio.run(check_topics(load_kafka_settings()))
    for complaint in complaints:
        _console.print(complaint, soft_wrap=True)
    if complaints:
        raise typer.Exit(1)
    _console.print("The topics are as wanted.")


@config_cli.command("check")
def config_check(
    command: Annotated[
        Literal["worker", "api", "migrate"], typer.Option("--for", help="Whose settings.")
    ] = "worker",
) -> None:
    """Say what a command would use and from where; exit status 1 when something is wrong."""
    from progress_worker.configuration import Command, check_configuration  # noqa: PLC0415

    used = check_configuration(Command(command))
    width = max(len(setting.variable) for setting in used)
    for setting in used:
        source = "environment" if setting.from_environment else "default"
        typer.echo(f"{setting.variable:{width}}  {source:11}  {setting.value}".rstrip())


@cli.command()
def doctor(
    command: Annotated[
        Literal["worker", "api"] | None,
        typer.Option("--for", help="What is examined; by default what the settings speak of."),
    ] = None,
) -> None:
    """Connect to everything, say what is wrong; exit status 1 when anything is."""
    from progress_worker.doctor.examination import examine  # noqa: PLC0415

    if not asyncio.run(examine(command, _console)):
        raise typer.Exit(1)


@cli.command()
def reference(directory: Annotated[Path, typer.Argument()] = Path("docs")) -> None:
    """Write the reference pages: settings.md, metrics.md."""
    from progress_worker.reference import write_reference  # noqa: PLC0415

    write_reference(directory)
    _console.print(f"Wrote {directory}.")


@cli.command()
def schemas(directory: Annotated[Path, typer.Argument()] = Path("schemas")) -> None:
    """Write the published contracts: JSON Schemas, asyncapi.yaml, openapi.json."""
    from progress_worker.events.schemas import write_schemas  # noqa: PLC0415
    from progress_worker.http.application import write_openapi  # noqa: PLC0415

    write_schemas(directory)
    write_openapi(directory)
    _console.print(f"Wrote {directory}.")
