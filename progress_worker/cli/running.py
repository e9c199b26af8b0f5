"""Commands that run, publish or sign: `worker`, `api`, `demo`, `generate`, `token`."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Annotated

import typer

from progress_worker.cli.common import console

running_cli = typer.Typer()


@running_cli.command()
def worker() -> None:
    """Run the worker: ingest, outbox relay, commands, probes."""
    from progress_worker.app import run_worker  # noqa: PLC0415 - a command loads what it needs
    from progress_worker.settings.worker import load_settings  # noqa: PLC0415

    run_worker(load_settings())


@running_cli.command()
def api(
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="How many processes share the view's port.")
    ] = 1,
) -> None:
    """Run the read-only HTTP view."""
    from progress_worker.doctor.configuration import check_files  # noqa: PLC0415
    from progress_worker.http.application import serve  # noqa: PLC0415
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415
    from progress_worker.settings.view import load_view_settings  # noqa: PLC0415

    settings = load_view_settings()
    check_files(settings)
    serve(settings, load_rules(settings).book, processes=processes)


@running_cli.command()
def token(
    user_id: Annotated[str, typer.Argument(help="The learner whom the token names (`sub`).")],
    scope: Annotated[str, typer.Option(help="Space-separated scopes.")] = "",
    hours: Annotated[float, typer.Option(min=0.01, help="How long it is valid.")] = 1.0,
) -> None:
    """Print a token for the view, signed with PROGRESS_JWT_SECRET."""
    from progress_worker.http.security.authentication import mint_token  # noqa: PLC0415
    from progress_worker.settings.view import load_token_settings  # noqa: PLC0415

    lifetime = dt.timedelta(hours=hours)
    typer.echo(mint_token(load_token_settings(), user_id, scope=scope, lifetime=lifetime))


@running_cli.command()
def demo(
    count: Annotated[int, typer.Option(min=1, help="How many events.")] = 5_000,
    learners: Annotated[int, typer.Option(min=1, help="Of how many learners.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed makes the same learners.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0: no limit.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep everything running until Ctrl-C.")
    ] = False,
) -> None:
    """Run the whole system on this machine and check it; exit status 0 only if all is right."""
    from progress_worker.demo.demo import Options, run_demo  # noqa: PLC0415

    if not run_demo(Options(count, learners, seed, rate, keep), console):
        raise typer.Exit(1)


@running_cli.command()
def generate(
    count: Annotated[int, typer.Option(min=1, help="How many records.")] = 10_000,
    rate: Annotated[float, typer.Option(min=0, help="Records a second; 0: no limit.")] = 0,
    seed: Annotated[
        int | None, typer.Option(help="The same seed makes the same records. Random by default.")
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
        console=console,
    )
