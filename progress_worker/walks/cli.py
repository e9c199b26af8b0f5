"""`progress-worker verify`: compares what is stored with what the completions lead to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from progress_worker.errors import FatalError, LearnerChangedError, ProgressError, TransientError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from progress_worker.domain.compare import Difference
    from progress_worker.storage.rulebooks import RuleBooks
    from progress_worker.walks.verifying import Verify
    from progress_worker.walks.walk import Step, Walk

#: The exit status when something is stored differently from how it is derived.
_DIFFERENT: Final = 2
_TRIES: Final = 20
_CONFLICT_SECONDS: Final = 0.05
_OUTAGE_SECONDS: Final = 0.5
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
        with _refusals_explained():
            different = asyncio.run(_verify(user, share, report, resume=resume))
    except KeyboardInterrupt:
        typer.echo("Stopped. Run the same command with --resume to continue.", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(_DIFFERENT if different else 0)


@contextmanager
def _refusals_explained() -> Iterator[None]:
    """Name the address that Postgres cannot be reached at, and say what it lacks for the work."""
    from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction  # noqa: PLC0415

    from progress_worker.settings.complaints import PREFIX, naming  # noqa: PLC0415

    variable = f"{PREFIX}DATABASE_URL"
    with naming(variable):
        try:
            yield
        except ProgressError as error:
            if isinstance(error.__cause__, ReadOnlySqlTransaction):
                raise TransientError(
                    "This database can only be read, and `verify` keeps its cursor in it: use one "
                    "that can be written to, or compare one learner with --user, which writes "
                    "nothing"
                ) from error
            if isinstance(error.__cause__, InsufficientPrivilege):
                raise FatalError(
                    f"The login in {variable} lacks a right that `verify` needs: give it the "
                    "worker's; `progress-worker doctor` says what is missing."
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

    async with _database() as (engine, books, limit):
        passenger = Verify(books, report.difference, share)
        started = asyncio.get_running_loop().time()
        if user is not None:
            different = await _one(engine, passenger, user, limit)
        else:
            walk = Walk(engine, passenger, time_limit_seconds=limit)
            different = await _many(walk, resume=resume)
        report.end(passenger.figures, different, asyncio.get_running_loop().time() - started)
        return different


async def _one(engine: AsyncEngine, passenger: Verify, user: str, limit: float) -> int:
    from progress_worker.storage.write.histories import connect_for_histories  # noqa: PLC0415

    async with connect_for_histories(engine, [user], limit, snapshot=True) as connection:
        different = await passenger.work(connection, [user])
    passenger.committed()
    return different


async def _many(walk: Walk, *, resume: bool) -> int:
    state = await walk.state()
    if state is None or state.finished_at or not resume:
        await walk.start()
        state = None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(
            "learners", total=await walk.learners(), completed=state.examined if state else 0
        )
        finished = False
        while not finished:
            step = await _step(walk)
            finished = step.finished
            bar.advance(task, step.examined)
    state = await walk.state()
    return state.changed if state else 0


async def _step(walk: Walk) -> Step:
    """One step, tried again a few times; raises TransientError in the end."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=_pause,
        stop=stop_after_attempt(_TRIES),
        reraise=True,
    )
    step: Step = await retrying(walk.step)
    return step


def _pause(call: RetryCallState) -> float:
    """A conflict with live traffic is over sooner than an outage."""
    error = call.outcome.exception() if call.outcome else None
    return _CONFLICT_SECONDS if isinstance(error, LearnerChangedError) else _OUTAGE_SECONDS


@asynccontextmanager
async def _database() -> AsyncIterator[tuple[AsyncEngine, RuleBooks, float]]:
    """The worker's database, its rule books, and the time limit of a page without completions."""
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415
    from progress_worker.settings.worker import load_settings  # noqa: PLC0415
    from progress_worker.storage.database import (  # noqa: PLC0415
        check_migrated,
        connect_for,
        create_engine,
    )
    from progress_worker.storage.rulebooks import RuleBooks  # noqa: PLC0415
    from progress_worker.storage.write import rulebooks  # noqa: PLC0415

    settings = load_settings()
    limit = settings.database_statement_timeout_seconds
    books = RuleBooks(load_rules(settings).book)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name="progress-worker verify",
        pool_size=1,
        connect_timeout_seconds=settings.database_connect_timeout_seconds,
        statement_timeout_seconds=limit,
    )
    try:
        async with connect_for(engine, limit) as connection:
            await check_migrated(connection)
            await rulebooks.refresh(connection, books)
        yield engine, books, limit
    finally:
        await engine.dispose()
