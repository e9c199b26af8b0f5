"""Quix Streams with its state in RocksDB, and one of its Postgres sinks for each table.

It may run in an environment of its own, so it imports nothing of ours.

    python bench/contestants/quix.py BOOTSTRAP DATABASE_URL GROUP TOPIC
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from quixstreams import Application, State
from quixstreams.sinks.community.postgresql import PostgreSQLSink

CHECKPOINT_EVENTS = 5_000
CHECKPOINT_SECONDS = 0.5
SUMS = ("completions", "graded", "grade_hundredths", "time_spent_seconds", "hints_used")

Row = dict[str, Any]


def fold(event: Row, state: State) -> Row | None:
    """The rows that an event changes, by table; None if the event is known."""
    seen = f"event:{event['event_id']}"
    if state.exists(seen):
        return None
    state.set(seen, 1)
    completion = _completion(event)
    user_id, day = completion["user_id"], completion["local_day"]
    share = _share(event)
    on_day = {"user_id": user_id, "local_day": day} | _add(state, f"day:{day}", share)
    in_topic = {"user_id": user_id, "topic": event["topic"]}
    in_topic |= _add(state, f"topic:{event['topic']}", share)
    learner = {"user_id": user_id} | _add(state, "learner", share)
    learner["active_days"] = _active_days(state, day, new=on_day["completions"] == 1)
    return {
        "completion": completion,
        "learner": learner,
        "learner_topic": in_topic,
        "learner_day": on_day,
    }


def _completion(event: Row) -> Row:
    # The sink takes its columns from the first row of a batch and leaves out what is None there.
    grade = -1 if event["grade"] is None else round(event["grade"] * 100)
    completed_at = dt.datetime.fromisoformat(event["completed_at"])
    local = completed_at.astimezone(ZoneInfo(event["timezone"]))
    row = {name: content for name, content in event.items() if name != "grade"}
    return row | {"grade_hundredths": grade, "local_day": local.date().isoformat()}


def _share(event: Row) -> list[int]:
    grade = event["grade"]
    return [
        1,
        int(grade is not None),
        round((grade or 0) * 100),
        event["time_spent_seconds"],
        event["hints_used"],
    ]


def _add(state: State, key: str, share: list[int]) -> Row:
    sums = [a + b for a, b in zip(state.get(key, [0] * len(share)), share, strict=True)]
    state.set(key, sums)
    return dict(zip(SUMS, sums, strict=True))


def _active_days(state: State, day: str, *, new: bool) -> str:
    """The days as Postgres writes a multirange; Postgres joins the runs."""
    days: list[str] = state.get("active_days", [])
    if new:
        days.append(f"[{day},{day}]")
        state.set("active_days", days)
    return "{" + ",".join(days) + "}"


def sink(url: str, table: str, *key: str) -> PostgreSQLSink:
    """A sink that upserts into an existing table."""
    address = urlsplit(url)
    return PostgreSQLSink(
        host=address.hostname,
        port=address.port,
        dbname=address.path.strip("/"),
        user=address.username,
        password=address.password or "",
        table_name=table,
        schema_auto_update=False,
        primary_key_columns=list(key),
        upsert_on_primary_key=True,
        include_metadata=False,
    )


def main(bootstrap: str, url: str, group: str, topic: str) -> None:
    """Run until a signal."""
    with tempfile.TemporaryDirectory() as directory:
        app = Application(
            broker_address=bootstrap,
            consumer_group=group,
            auto_offset_reset="earliest",
            auto_create_topics=False,
            use_changelog_topics=False,
            commit_every=CHECKPOINT_EVENTS,
            commit_interval=CHECKPOINT_SECONDS,
            consumer_extra_config={"session.timeout.ms": 4_000, "heartbeat.interval.ms": 400},
            state_dir=directory,
            loglevel="WARNING",
        )
        events = app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="str"))
        rows = events.apply(fold, stateful=True)
        rows = rows[rows.apply(lambda found: found is not None)]
        for table, *key in (
            ("completion", "user_id", "event_id"),
            ("learner", "user_id"),
            ("learner_topic", "user_id", "topic"),
            ("learner_day", "user_id", "local_day"),
        ):
            rows.apply(lambda found, table=table: found[table]).sink(sink(url, table, *key))
        app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
