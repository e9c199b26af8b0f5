"""Saves learners by the worker's own code, without Kafka, for a view that runs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.generator.wire import Wire
from progress_worker.settings.worker import load_settings
from tests.harness.events import CATALOGUE, Event, completed, records
from tests.harness.storage import Projection, execute, fetch, projection


class Saving:
    """A worker's way from events to rows. Each call commits before it returns."""

    def __init__(self, database: Database, runner: asyncio.Runner, parts: Projection) -> None:
        self.database = database
        self._runner = runner
        self._parts = parts

    def apply(self, *events: Event) -> None:
        """Apply the events in one transaction."""
        self._runner.run(self._parts.apply(records(*events)))

    def complete(self, user_id: str = "ada", day: int = 1, **changes: object) -> None:
        """Apply one exercise of that day of March."""
        at = f"2026-03-{day:02}T10:00:00Z"
        self.apply(completed(user_id, completed_at=at, **changes))

    def command(self, wire: Wire) -> None:
        """Carry out a command; what is cached of learners is forgotten then."""
        self._runner.run(self._parts.commands.handle(records(wire)[0]))
        self._parts.cache.clear()

    def erase(self, user_id: str = "ada") -> None:
        """Delete all that is stored of a learner."""
        self._parts.cache.clear()
        for table in ("learner", "completion", "learner_total", "learner_day", "skill_level"):
            self._delete(table, user_id)
        self._delete("achievement_unlock", user_id)
        self._delete("learner_preference", user_id)

    def version(self, user_id: str = "ada") -> int:
        """The learner's version."""
        query = "SELECT version FROM learner WHERE user_id = %s"
        ((version,),) = fetch(self.database.owner_url, query, user_id)
        return int(version)

    def _delete(self, table: str, user_id: str) -> None:
        statement = f"DELETE FROM {table} WHERE user_id = %s"
        execute(self.database.owner_url, statement, user_id)


@contextmanager
def saving(database: Database, directory: Path, catalogue: str = CATALOGUE) -> Iterator[Saving]:
    """A worker's parts on the database, by default with the small rule book of the tests."""
    book = directory / "rules.yaml"
    book.write_text(catalogue)
    settings = load_settings(
        kafka_bootstrap=f"{LOOPBACK}:1",
        database_url=database.worker_url,
        catalogue_file=str(book),
    )
    with asyncio.Runner() as runner:
        parts = projection(settings)
        yield Saving(database, runner, runner.run(parts.__aenter__()))
        runner.run(parts.__aexit__(None, None, None))
