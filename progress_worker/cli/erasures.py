"""`progress-worker erase` and `erasures`: delete what is stored of a learner, for good."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated

import typer

from progress_worker.cli.common import Commands, Json, print_json

erasing_cli = typer.Typer()
erasures_cli = typer.Typer(
    cls=Commands, help="List and forget erased learners.", no_args_is_help=True
)
erasing_cli.add_typer(erasures_cli, name="erasures")


@erasing_cli.command()
def erase(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="The learner's id.")],
    wait: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds to wait for the receipt.")
    ] = 60.0,
    as_json: Json = False,
) -> None:
    """Delete everything about a learner that was done until now, and print the receipt.

    It sends the command to the workers and waits until one has carried it out. It needs the
    settings of a worker. What the learner does afterwards counts, from nothing.
    """
    from progress_worker.cli.erasing import erase as run  # noqa: PLC0415
    from progress_worker.cli.erasing import print_receipt  # noqa: PLC0415
    from progress_worker.walks.command import refusals_explained  # noqa: PLC0415

    with refusals_explained("erase"):
        receipt = asyncio.run(run(user_id, wait_seconds=wait))
    if as_json:
        print_json(receipt)
    else:
        print_receipt(receipt)


@erasures_cli.command("list")
def list_(as_json: Json = False) -> None:
    """Print hashes of ids, and up to when each is erased. It needs the owner's address."""
    from progress_worker.cli.erasing import list_erasures  # noqa: PLC0415

    found = list_erasures(_owner_url())
    if as_json:
        print_json({"erasures": found})
        return
    for each in found:
        typer.echo("  ".join(each.values()))
    typer.echo(f"{len(found):,} learners are on the list.")


@erasures_cli.command()
def forget(
    before: Annotated[
        dt.datetime,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Forget those who were erased up to an earlier day (UTC).",
        ),
    ],
) -> None:
    """Shorten the list by entries that nothing can bring back any more.

    Choose a day before which neither a topic that workers read nor a backup holds anything: what is
    older than a forgotten entry counts again if it arrives. It needs the owner's address.
    """
    from progress_worker.cli.erasing import forget_erasures  # noqa: PLC0415

    gone = forget_erasures(_owner_url(), before.replace(tzinfo=dt.UTC))
    typer.echo(f"Forgot {gone:,} learners.")


def _owner_url() -> str:
    from progress_worker.settings.migration import load_migration_settings  # noqa: PLC0415

    return load_migration_settings().owner_url
