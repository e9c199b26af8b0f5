"""`progress-worker verify`: compares what is stored with what the completions lead to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic_core import to_json

from progress_worker.errors import ProgressError, TransientError
from progress_worker.walks.command import open_database, progress_bar, refusals_explained, tried

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from progress_worker.domain.compare import Difference
    from progress_worker.walks.verifying import Verify
    from progress_worker.walks.walk import Walk

#: The exit status when something is stored differently from how it is derived.
_DIFFERENT: Final = 2
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)%").fullmatch


def verify(
    user: Annotated[str | None, typer.Option(help="Compare one learner.")] = None,
    sample: Annotated[
        str | None, typer.Option(help="Compare this share of the learners, for example 1%.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Compare every learner.")] = False,
    resume: Annotated[
        bool, typer.Option(help="Continue where the last run with the same options ended.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per line, the last one in all.")
    ] = False,
) -> None:
    """Derive learners from their completions and compare; exit status 2 when something differs."""
    if (user is not None) + (sample is not None) + everybody != 1:
        raise typer.BadParameter("give one of --user, --sample and --all")
    share = 1.0 if sample is None else _share(sample)
    report = _Report(as_json=as_json)
    try:
        with refusals_explained("verify"), _read_only_explained():
            different = asyncio.run(_verify(user, share, report, resume=resume))
    except KeyboardInterrupt:
        typer.echo("Stopped. Run the same command with --resume to continue.", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(_DIFFERENT if different else 0)


@contextmanager
def _read_only_explained() -> Iterator[None]:
    from psycopg.errors import ReadOnlySqlTransaction  # noqa: PLC0415

    try:
        yield
    except ProgressError as error:
        if isinstance(error.__cause__, ReadOnlySqlTransaction):
            raise TransientError(
                "This database can only be read, and `verify` keeps its cursor in it: use one that "
                "can be written to, or compare one learner with --user, which writes nothing"
            ) from error
        raise


def _share(text: str) -> float:
    percent = _PERCENT(text)
    share = float(percent[1]) / 100 if percent else 0.0
    if not 0 < share <= 1:
        raise typer.BadParameter("write a share of the learners as 1% or 0.5%")
    return share


class _Report:
    """Prints differences, and in the end what was compared."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def difference(self, difference: Difference) -> None:
        """Print a difference."""
        typer.echo(to_json(difference._asdict()).decode() if self._as_json else str(difference))

    def end(self, figures: Mapping[str, int], different: int, seconds: float) -> None:
        """Print the figures of a whole run."""
        if self._as_json:
            content = {**figures, "different": different, "seconds": round(seconds, 1)}
            typer.echo(to_json(content).decode())
            return
        typer.echo(
            f"{figures['compared']:,} learners compared in {seconds:.0f} s: {different:,} differ."
        )
        if figures["truncated"]:
            typer.echo(
                f"{figures['truncated']:,} of them have deleted older completions: they were "
                "compared on what is left."
            )
        if figures["incomplete"]:
            typer.echo(
                f"{figures['incomplete']:,} were not compared: no rule book has derived them yet."
            )


async def _verify(user: str | None, share: float, report: _Report, *, resume: bool) -> int:
    from progress_worker.walks.verifying import Verify  # noqa: PLC0415 - a command loads its needs
    from progress_worker.walks.walk import Walk  # noqa: PLC0415

    async with open_database("verify") as opened:
        limit = opened.time_limit_seconds
        passenger = Verify(opened.books, report.difference, share)
        started = asyncio.get_running_loop().time()
        if user is not None:
            different = await _one(opened.engine, passenger, user, limit)
        else:
            walk = Walk(opened.engine, passenger, time_limit_seconds=limit)
            different = await _many(walk, resume=resume)
        report.end(passenger.figures, different, asyncio.get_running_loop().time() - started)
        return different


async def _one(engine: AsyncEngine, passenger: Verify, user: str, limit: float) -> int:
    from progress_worker.storage.write.histories import connect_for_histories  # noqa: PLC0415
    from progress_worker.walks.walk import Page  # noqa: PLC0415

    async with connect_for_histories(engine, [user], limit, snapshot=True) as connection:
        different = await passenger.work(connection, Page([user]))
    passenger.committed()
    return different


async def _many(walk: Walk, *, resume: bool) -> int:
    state = await walk.state()
    if state is None or state.finished_at or not resume:
        await walk.start()
        state = None
    with progress_bar() as bar:
        task = bar.add_task(
            "learners", total=await walk.learners(), completed=state.examined if state else 0
        )
        finished = False
        while not finished:
            step = await tried(walk.step)
            finished = step.finished
            bar.advance(task, step.examined)
    state = await walk.state()
    return state.changed if state else 0
