"""A Faust agent that takes one event at a time through an ORM session, as beginners do.

python -m bench.contestants.orm BOOTSTRAP DATABASE_URL GROUP TOPIC
"""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import faust
from faust.types import StreamT
from sqlalchemy.dialects.postgresql.ranges import MultiRange, Range
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.contestants.faust_app import make_app, run
from bench.contestants.records import (
    Arrived,
    Completion,
    Counted,
    Day,
    Learner,
    Topic,
    read,
)


async def apply(session: AsyncSession, row: Arrived) -> None:
    """Store one completion and add it to the sums, unless it is known."""
    user_id = row["user_id"]
    if await session.get(Completion, (user_id, row["event_id"])) is not None:
        return
    session.add(Completion(**row))
    learner = await session.get(Learner, user_id)
    if learner is None:
        learner = Learner(user_id=user_id, active_days=MultiRange(), **_NOTHING)
        session.add(learner)
    topic = await session.get(Topic, (user_id, row["topic"]))
    if topic is None:
        topic = Topic(user_id=user_id, topic=row["topic"], **_NOTHING)
        session.add(topic)
    day = await session.get(Day, (user_id, row["local_day"]))
    if day is None:
        day = Day(user_id=user_id, local_day=row["local_day"], **_NOTHING)
        session.add(day)
        learner.active_days = _with(learner.active_days, row["local_day"])
    for counted in (learner, topic, day):
        _count(counted, row)


_NOTHING: dict[str, Any] = {
    "completions": 0,
    "graded": 0,
    "grade_hundredths": 0,
    "time_spent_seconds": 0,
    "hints_used": 0,
}


def _count(counted: Counted, row: Arrived) -> None:
    grade = row["grade_hundredths"]
    counted.completions += 1
    counted.graded += grade is not None
    counted.grade_hundredths += grade or 0
    counted.time_spent_seconds += row["time_spent_seconds"]
    counted.hints_used += row["hints_used"]


def _with(days: MultiRange[dt.date], day: dt.date) -> MultiRange[dt.date]:
    """Add a day to the runs; Postgres joins runs that touch."""
    return MultiRange([*days, Range(day, day + dt.timedelta(days=1))])


def make(bootstrap: str, url: str, group: str, topic: str) -> faust.App:
    """The app with its agent."""
    app = make_app(bootstrap, group)
    engine = create_async_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    sessions = async_sessionmaker(engine)

    async def drain(stream: StreamT[bytes]) -> None:
        async for event in stream:
            async with sessions.begin() as session:
                await apply(session, read(event))

    app.agent(app.topic(topic, value_type=bytes, value_serializer="raw"), name="drain")(drain)
    return app


if __name__ == "__main__":
    run(make(*sys.argv[1:]))
