"""A worker's parts that can erase, a learner's life, and the search for what is left of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg

from progress_worker.storage.schema.local_tables import all_tables
from tests.harness.events import Event, completed, records
from tests.harness.storage import Projection

PEPPER = "a secret of the tests"
BARRIER = "2026-03-20T12:00:00Z"
ADA = "ada-the-learner"


class Erased:
    """A worker's parts that can erase."""

    def __init__(self, parts: Projection, url: str) -> None:
        self.parts = parts
        self.url = url

    async def apply(self, *events: Event) -> None:
        """As a partition consumer does: again, if a learner was changed meanwhile."""
        await self.parts.retry.run("ingest", partial(self.parts.apply, records(*events)))

    async def command(self, wire: Any) -> None:
        (record,) = records(wire)
        await self.parts.commands.handle(record)

    def outcomes(self) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for metric in self.parts.metrics.events.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.value
        }


def life(user_id: str, month: str = "03", days: int = 12) -> list[Event]:
    """Exercises on many days, with a regrade and a revocation."""
    events = [
        completed(
            user_id,
            completed_at=f"2026-{month}-{day:02}T10:00:00Z",
            timezone="Europe/Berlin",
            day_starts_at=4,
            cohort="spring",
        )
        for day in range(1, days + 1)
    ]
    events.append(events[0] | {"revision": 1, "grade": 20})
    events.append(events[1] | {"revision": 1, "revoked": True})
    return events


def mentions(url: str, user_id: str) -> dict[str, int]:
    """In how many rows of each table the id stands, as text or as bytes."""
    as_bytes = user_id.encode().hex()
    found = {}
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        for table in all_tables.tables:
            query = f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE ANY(%s)"
            row = connection.execute(query.encode(), [[f"%{user_id}%", f"%{as_bytes}%"]]).fetchone()
            if row and row[0]:
                found[table] = row[0]
    return found
