"""A Faust agent with `take(500)` and bulk upserts, the usual advice for a faster Faust.

python -m bench.contestants.take BOOTSTRAP DATABASE_URL GROUP TOPIC
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import faust
from faust.types import StreamT
from sqlalchemy.dialects.postgresql import Range, insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bench.contestants.faust_app import make_app, run
from bench.contestants.records import SUMS, Arrived, Completion, Day, Learner, Topic, read
from bench.workload import Sums, add

BATCH = 500
WAIT_SECONDS = 0.1

Key = tuple[Any, ...]


async def apply(connection: AsyncConnection, events: Sequence[bytes]) -> None:
    """Store the events and add their sums, a statement for each table."""
    arrived = {(row["user_id"], row["event_id"]): row for row in map(read, events)}
    fresh = await connection.execute(_STORE, list(arrived.values()))
    rows = [arrived[user_id, event_id] for user_id, event_id in fresh]
    if not rows:
        return
    days = _sums(rows, "local_day")
    runs = _runs(days)
    learners = _named(_sums(rows), "user_id")
    for learner in learners:
        learner["active_days"] = runs[learner["user_id"]]
    await connection.execute(_ADD_DAYS, _named(days, "user_id", "local_day"))
    await connection.execute(_ADD_TOPICS, _named(_sums(rows, "topic"), "user_id", "topic"))
    await connection.execute(_ADD_LEARNERS, learners)


def _sums(rows: Iterable[Arrived], *names: Literal["local_day", "topic"]) -> dict[Key, Sums]:
    sums: dict[Key, Sums] = {}
    for row in rows:
        key = (row["user_id"], *(row[name] for name in names))
        grade = row["grade_hundredths"]
        graded = int(grade is not None)
        share = (1, graded, grade or 0, row["time_spent_seconds"], row["hints_used"])
        sums[key] = add(sums.get(key), share)
    # Sorted by key: without a common order, two processes deadlock.
    return dict(sorted(sums.items()))


def _runs(days: Iterable[Key]) -> dict[str, list[Range[dt.date]]]:
    runs: dict[str, list[Range[dt.date]]] = {}
    for user_id, day in days:
        runs.setdefault(user_id, []).append(Range(day, day + dt.timedelta(days=1)))
    return runs


def _named(sums: dict[Key, Sums], *names: str) -> list[dict[str, Any]]:
    return [
        dict(zip((*names, *SUMS), (*key, *numbers), strict=True)) for key, numbers in sums.items()
    ]


def _upsert(table: Any, *names: str) -> Any:
    """Adds to the sums. RETURNING makes SQLAlchemy put many rows into one statement."""
    statement = insert(table)
    new = statement.excluded
    changes = {name: getattr(table, name) + new[name] for name in SUMS}
    if table is Learner:
        changes["active_days"] = table.active_days.op("+")(new.active_days)
    upsert = statement.on_conflict_do_update(index_elements=list(names), set_=changes)
    return upsert.returning(table.user_id)


_STORE = (
    insert(Completion).on_conflict_do_nothing().returning(Completion.user_id, Completion.event_id)
)
_ADD_DAYS = _upsert(Day, "user_id", "local_day")
_ADD_TOPICS = _upsert(Topic, "user_id", "topic")
_ADD_LEARNERS = _upsert(Learner, "user_id")


def make(bootstrap: str, url: str, group: str, topic: str) -> faust.App:
    """The app with its agent."""
    app = make_app(bootstrap, group)
    engine = create_async_engine(url.replace("postgresql:", "postgresql+psycopg:"))

    async def drain(stream: StreamT[bytes]) -> None:
        async for events in stream.take(BATCH, within=WAIT_SECONDS):
            async with engine.begin() as connection:
                await apply(connection, events)

    app.agent(app.topic(topic, value_type=bytes, value_serializer="raw"), name="drain")(drain)
    return app


if __name__ == "__main__":
    run(make(*sys.argv[1:]))
