"""What commands that go over all learners share: the database, another try, the progress bar."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from progress_worker.errors import FatalError, LearnerChangedError, ProgressError, TransientError
from progress_worker.runtime.collector import tune_collector

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from progress_worker.settings.rules import ConfiguredRules
    from progress_worker.settings.worker import Settings
    from progress_worker.storage.rulebooks import RuleBooks

Result = TypeVar("Result")

_TRIES: Final = 20
_CONFLICT_SECONDS: Final = 0.05
_OUTAGE_SECONDS: Final = 0.5


class Opened(NamedTuple):
    """The worker's settings with their rule book, its database, and the rule books in there."""

    settings: Settings
    rules: ConfiguredRules
    engine: AsyncEngine
    books: RuleBooks

    @property
    def time_limit_seconds(self) -> float:
        """The time limit of a page without completions."""
        return self.settings.database_statement_timeout_seconds


@asynccontextmanager
async def open_database(command: str, **overrides: object) -> AsyncIterator[Opened]:
    """The worker's database; `overrides` replace settings.

    Raises ConfigurationError, FatalError for a database of another release, and what `connect_for`
    raises.
    """
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415 - a command's needs
    from progress_worker.settings.worker import load_settings  # noqa: PLC0415
    from progress_worker.storage.database import (  # noqa: PLC0415
        check_migrated,
        connect_for,
        create_engine,
    )
    from progress_worker.storage.rulebooks import RuleBooks  # noqa: PLC0415
    from progress_worker.storage.write import rulebooks  # noqa: PLC0415

    tune_collector()
    settings = load_settings(**overrides)
    limit = settings.database_statement_timeout_seconds
    rules = load_rules(settings)
    books = RuleBooks(rules.book)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name=f"progress-worker {command}",
        pool_size=1,
        connect_timeout_seconds=settings.database_connect_timeout_seconds,
        statement_timeout_seconds=limit,
    )
    try:
        async with connect_for(engine, limit) as connection:
            await check_migrated(connection)
            await rulebooks.refresh(connection, books)
        yield Opened(settings, rules, engine, books)
    finally:
        await engine.dispose()


@contextmanager
def refusals_explained(command: str) -> Iterator[None]:
    """Name the address that Postgres cannot be reached at, and the rights that are missing."""
    from psycopg.errors import InsufficientPrivilege  # noqa: PLC0415

    from progress_worker.settings.complaints import PREFIX, naming  # noqa: PLC0415

    variable = f"{PREFIX}DATABASE_URL"
    with naming(variable):
        try:
            yield
        except ProgressError as error:
            if isinstance(error.__cause__, InsufficientPrivilege):
                raise FatalError(
                    f"The login in {variable} lacks a right that `{command}` needs: give it the "
                    "worker's; `progress-worker doctor` says what is missing."
                ) from error
            raise


async def tried(step: Callable[[], Awaitable[Result]]) -> Result:
    """The step's result. It is tried again a few times; raises TransientError in the end."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=_pause,
        stop=stop_after_attempt(_TRIES),
        reraise=True,
    )
    result: Result = await retrying(step)
    return result


def _pause(call: RetryCallState) -> float:
    """A conflict with live traffic is over sooner than an outage."""
    error = call.outcome.exception() if call.outcome else None
    return _CONFLICT_SECONDS if isinstance(error, LearnerChangedError) else _OUTAGE_SECONDS


def progress_bar() -> Progress:
    """A bar of learners on standard error, which is gone in the end; none without a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
