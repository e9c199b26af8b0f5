"""How many streams there may be, slow readers, shutdown, and Postgres that is away."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.harness.clients import PATIENCE_SECONDS
from tests.http.listening import Listener, listening
from tests.http.saving import saving
from tests.http.served import Served, serve_view

pytestmark = pytest.mark.integration

STREAM = "/api/progress/events"


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that the test may stop."""
    with Postgres(durable=False) as server:
        server.create_roles()
        yield server


def metric(served: Served, name: str, **labels: str) -> float:
    text = httpx.get(f"{served.url}/metrics", timeout=PATIENCE_SECONDS).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def refused(served: Served, user_id: str, status: int) -> bool:
    headers = served.headers(user_id)
    with httpx.stream("GET", served.url + STREAM, headers=headers, timeout=10) as answer:
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        return int(answer.headers["retry-after"]) > 0


def wait_for_streams(served: Served, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while metric(served, "progress_view_streams") != count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_five_streams_of_a_learner_and_as_many_in_all_as_is_set(
    migrated_database: Database,
) -> None:
    with serve_view(migrated_database, PROGRESS_VIEW_MAX_STREAMS="7") as served:
        with ExitStack() as stack:

            def open_one(user_id: str) -> Listener:
                return stack.enter_context(listening(served.address, served.headers(user_id)))

            for _ in range(5):
                open_one("ada").next()
            assert refused(served, "ada", 429)
            open_one("bob").next()
            open_one("bob").next()
            assert refused(served, "eve", 503)
            assert metric(served, "progress_view_streams") == 7
            # Others are served as before.
            answer = httpx.get(f"{served.url}/api/progress", headers=served.headers())
            assert answer.status_code == 200
        wait_for_streams(served, 0)
        assert metric(served, "progress_view_stream_ends_total", reason="left") == 7
        assert metric(served, "progress_view_stream_events_total", kind="progress") == 7
        with listening(served.address, served.headers()) as stream:
            stream.next()


def test_streams_leave_room_for_other_requests_where_few_files_may_be_open(
    migrated_database: Database,
) -> None:
    """160 files are 52 connections, and half of them are for streams."""
    with serve_view(migrated_database, OPEN_FILES="160") as served, ExitStack() as stack:
        for number in range(26):
            headers = served.headers(f"learner-{number}")
            stack.enter_context(listening(served.address, headers)).next()
        assert refused(served, "one-more", 503)
        for _ in range(40):
            idle = socket.create_connection(served.address, PATIENCE_SECONDS)
            stack.enter_context(idle)
            answer = httpx.get(f"{served.url}/livez", timeout=PATIENCE_SECONDS)
            assert answer.status_code == 200
        assert metric(served, "progress_view_streams") == 26


def test_all_streams_end_at_once_and_cleanly_when_the_view_stops(
    migrated_database: Database,
) -> None:
    with ExitStack() as stack:
        with serve_view(migrated_database) as served:
            streams = [
                stack.enter_context(listening(served.address, served.headers(f"learner-{n}")))
                for n in range(20)
            ]
            for stream in streams:
                stream.next()
            began = time.monotonic()
        assert time.monotonic() - began < 8  # uvicorn would wait for 15 s
        for stream in streams:
            assert stream.rest(0.1) == []
            assert stream.complete


MANY_LEVELS = """
INSERT INTO learner (user_id, version, first_version, active_days, counters)
    VALUES ('ada', 10, 1, '{}', '{}');
INSERT INTO skill_level
    SELECT 'ada', 'topic-' || n, 'expert', 'advanced', now(), 10 FROM generate_series(1, 40000) AS n
"""
AGAIN = """
UPDATE skill_level SET learner_version = learner_version + 1 WHERE user_id = 'ada';
UPDATE learner SET version = version + 1 WHERE user_id = 'ada'
"""


def test_a_client_that_does_not_read_is_dropped(
    migrated_database: Database, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        psycopg.connect(migrated_database.owner_url, autocommit=True) as connection,
        serve_view(migrated_database, log) as served,
        listening(served.address, served.headers("bob")) as other,
    ):
        connection.execute(MANY_LEVELS.encode())
        other.next()
        with listening(served.address, served.headers(), "1", buffer=4_096) as stream:
            deadline = time.monotonic() + 60
            while metric(served, "progress_view_stream_ends_total", reason="slow") == 0:
                assert time.monotonic() < deadline
                connection.execute(AGAIN.encode())
                time.sleep(1.2)
            wait_for_streams(served, 1)
            with pytest.raises(ConnectionError):
                stream.rest()
        connection.execute(
            "INSERT INTO learner (user_id, version, active_days, counters)"
            " VALUES ('bob', 5, '{}', '{}')"
        )
        assert other.next().id == "5"
    assert log.read_text() == ""


def test_postgres_goes_away_and_comes_back(own_postgres: Postgres, tmp_path: Path) -> None:
    """The streams stay open, and nothing is lost or sent twice."""
    database = own_postgres.create_database("view")
    migrate(database.owner_url)
    log = tmp_path / "log"
    with serve_view(database, log, HEARTBEAT_SECONDS="0.3") as served:
        with saving(database, tmp_path) as worker:
            worker.complete(day=1)
        headers = served.headers()
        with listening(served.address, headers) as stream:
            first = int(stream.next().id)
            own_postgres.stop()
            with listening(served.address, headers, "0") as late:
                heard = stream.comments
                stream.silence(3)
                assert stream.comments > heard
                own_postgres.start()
                with saving(database, tmp_path) as worker:
                    worker.complete(day=2)
                ids = [said.id for said in stream.until("progress")]
                assert ids == [f"{first + 1}:two_days", f"{first + 1}"]
                found = [late.next().id]
                while found[-1] != f"{first + 1}":
                    found.append(late.next().id)
                assert [each for each in found if ":" in each] == [
                    f"{first}:first",
                    f"{first + 1}:two_days",
                ]
    # psycopg has a line of its own for the connection that it lost.
    lines = [line for line in said(log) if line["event"].startswith("view")]
    assert {line["event"] for line in lines} == {"view_streams_unavailable"}
    assert len(lines) <= 3  # one for each kind of error, not one a second


def test_rows_of_one_learner_that_cannot_be_read_stop_nobody_else(
    migrated_database: Database, tmp_path: Path
) -> None:
    """Ada's unlock is at a time that Python does not know."""
    log = tmp_path / "log"
    with (
        psycopg.connect(migrated_database.owner_url, autocommit=True) as connection,
        serve_view(migrated_database, log) as served,
        listening(served.address, served.headers("ada")) as ada,
        listening(served.address, served.headers("bob")) as bob,
    ):
        assert ada.next().id == bob.next().id == "0"
        for user_id in ("ada", "bob"):
            connection.execute(
                "INSERT INTO learner (user_id, version, active_days, counters)"
                " VALUES (%s, 5, '{}', '{}')",
                [user_id],
            )
        assert ada.next().id == bob.next().id == "5"
        connection.execute(
            "INSERT INTO achievement_unlock VALUES ('ada', 'first', 'infinity', '2026-03-01',"
            " gen_random_uuid(), 1, 'm', 1, 1, false, 6)"
        )
        for version in (6, 7):
            connection.execute("UPDATE learner SET version = %s", [version])
            assert bob.next().id == str(version)
        connection.execute("DELETE FROM achievement_unlock")
        assert ada.next().id == "7"
    events = [line["event"] for line in said(log)]
    assert events == ["view_streams_unavailable"]


def said(log: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_storm_of_new_clients_delays_nobody(migrated_database: Database) -> None:
    """New clients get looks of their own; everybody else is still looked at once a second."""
    with (
        psycopg.connect(migrated_database.owner_url, autocommit=True) as connection,
        serve_view(migrated_database) as served,
        listening(served.address, served.headers("bob")) as stream,
    ):
        stream.next()
        stopped = threading.Event()

        def storm() -> None:
            number = 0
            while not stopped.is_set():
                number += 1
                with listening(served.address, served.headers(f"learner-{number}")) as new:
                    new.next()

        storms = [threading.Thread(target=storm) for _ in range(3)]
        for each in storms:
            each.start()
        try:
            connection.execute(
                "INSERT INTO learner (user_id, version, active_days, counters)"
                " VALUES ('bob', 5, '{}', '{}')"
            )
            assert stream.next(10).id == "5"
        finally:
            stopped.set()
            for each in storms:
                each.join()
