"""The stream of events: what it says, and what a client that was cut off gets later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx
import jwt
import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.http.security.authentication import READ_ANY
from tests.harness.events import CATALOGUE, Event, completed
from tests.harness.storage import execute
from tests.http.listening import Listener, Said, listening
from tests.http.saving import Saving, saving
from tests.http.served import Served, serve_view

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def shared(
    postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Saving, Served]]:
    """A worker and a view on one database."""
    database = postgres.create_database("live", migrated_template)
    with (
        saving(database, tmp_path_factory.mktemp("live")) as worker,
        serve_view(database, HEARTBEAT_SECONDS="0.5") as served,
    ):
        yield worker, served
    postgres.drop_database(database.name)


@pytest.fixture
def worker(shared: tuple[Saving, Served]) -> Saving:
    """Nothing is stored of the learners of the test."""
    for user_id in ("ada", "bob"):
        shared[0].erase(user_id)
    return shared[0]


@pytest.fixture
def served(shared: tuple[Saving, Served]) -> Served:
    return shared[1]


def listen(
    served: Served, last_event_id: str | None = None, user_id: str = "ada"
) -> AbstractContextManager[Listener]:
    return listening(served.address, served.headers(user_id), last_event_id)


def kinds(said: list[Said]) -> list[str]:
    return [each.kind for each in said]


def ids(said: list[Said]) -> list[str]:
    return [each.id for each in said]


def test_everything_that_happens_is_said_in_its_order(worker: Saving, served: Served) -> None:
    with listen(served) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "content-length" not in stream.headers
        nothing = {"version": 0, "exercises_completed": 0, "time_spent_seconds": 0}
        assert stream.next() == Said("progress", "0", nothing)
        assert stream.retry is not None
        assert 1_000 <= stream.retry <= 5_000
        worker.complete(day=1)
        first, progress = stream.until("progress")
        version = worker.version()
        assert first == Said(
            "achievement",
            f"{version}:first",
            {
                "id": "first",
                "occurrence": 1,
                "name": "First",
                "description": "One exercise.",
                "category": "milestones",
                "tier": "bronze",
                "points": 10,
                "icon": "star",
                "unlocked_at": "2026-03-01T10:00:00+00:00",
                "quiet": False,
            },
        )
        data = {"version": version, "exercises_completed": 1, "time_spent_seconds": 60}
        assert progress == Said("progress", str(version), data)
        worker.apply(*(completed_on(day) for day in range(2, 11)))
        assert ids(stream.until("progress")) == [
            f"{version + 1}:skilled",
            f"{version + 1}:three",
            f"{version + 1}:two_days",
            f"{version + 1}:~algorithms",
            f"{version + 1}",
        ]


def completed_on(day: int, topic: str = "algorithms") -> Event:
    return completed("ada", completed_at=f"2026-03-{day:02}T10:00:00Z", topic=topic)


def test_a_level(worker: Saving, served: Served) -> None:
    with listen(served) as stream:
        stream.next()
        worker.apply(*(completed_on(day, "a/ü\n") for day in range(1, 11)))
        level = next(said for said in stream.until("progress") if said.kind == "level")
    assert level.id == f"{worker.version()}:~a%2F%C3%BC%0A"
    assert level.data == {
        "topic": "a/ü\n",
        "level": "intermediate",
        "previous_level": "beginner",
        "level_updated_at": "2026-03-10T10:00:00+00:00",
        "quiet": False,
    }
    with listen(served, level.id) as stream:
        assert kinds(stream.until("progress")) == ["progress"]


def test_a_new_client_hears_nothing_of_the_past(worker: Saving, served: Served) -> None:
    worker.complete(day=1)
    with listen(served) as stream:
        assert ids([stream.next()]) == [str(worker.version())]
        worker.complete(day=2)
        assert kinds(stream.until("progress")) == ["achievement", "progress"]


def test_a_client_of_any_age_gets_what_it_missed(worker: Saving, served: Served) -> None:
    worker.complete(day=1)
    begun = worker.version()
    for day in (2, 3, 4):
        worker.complete(day=day)
    worker.apply(*(completed_on(day) for day in range(5, 11)))
    everything = [
        f"{begun}:first",
        f"{begun + 1}:two_days",
        f"{begun + 2}:three",
        f"{begun + 4}:skilled",
        f"{begun + 4}:~algorithms",
        f"{begun + 4}",
    ]
    with listen(served, "0") as stream:
        assert ids(stream.until("progress")) == everything
    # Cut off after each of them, the next is the first that comes.
    for number, last in enumerate(everything[:-1]):
        with listen(served, last) as stream:
            assert ids(stream.until("progress")) == everything[number + 1 :]
    with listen(served, str(begun + 1)) as stream:
        assert ids(stream.until("progress")) == everything[2:]
    with listen(served, everything[-1]) as stream:
        stream.silence(1.5)
        worker.complete(day=11)
        assert ids(stream.until("progress")) == [str(begun + 5)]


def test_a_cut_between_the_events_of_the_first_version(worker: Saving, served: Served) -> None:
    worker.apply(*(completed_on(day) for day in range(1, 11)))
    version = worker.version()
    with listen(served, f"{version}:first") as stream:
        assert ids(stream.until("progress")) == [
            f"{version}:skilled",
            f"{version}:three",
            f"{version}:two_days",
            f"{version}:~algorithms",
            f"{version}",
        ]


def test_the_address_may_name_the_last_event_and_the_header_wins(
    worker: Saving, served: Served
) -> None:
    worker.complete(day=1)
    version, headers = worker.version(), served.headers()
    with listening(served.address, headers, query={"last_event_id": "0"}) as stream:
        assert ids(stream.until("progress")) == [f"{version}:first", f"{version}"]
    sent = {**headers, "Last-Event-ID": f"{version}:first"}
    with listening(served.address, sent, query={"last_event_id": "0"}) as stream:
        assert ids(stream.until("progress")) == [f"{version}"]


@pytest.mark.parametrize(
    "wrong", ["x", "-1", "01", "1", "1:first", "9" * 18, "9" * 30, "0:first", "1:", "1:~", "1 2"]
)
def test_an_id_that_is_none_of_ours_is_a_reset(worker: Saving, served: Served, wrong: str) -> None:
    worker.complete(day=1)
    version = worker.version()
    with listen(served, wrong) as stream:
        assert stream.next() == Said("reset", str(version), {"version": version})
        worker.complete(day=2)
        assert ids(stream.until("progress")) == [f"{version + 1}:two_days", str(version + 1)]


def test_an_id_of_the_future_is_a_reset(worker: Saving, served: Served) -> None:
    worker.complete(day=1)
    version = worker.version()
    for ahead in (f"{version + 1}", f"{version + 1}:first", f"{version + 10**12}"):
        with listen(served, ahead) as stream:
            assert stream.next() == Said("reset", str(version), {"version": version})


def test_a_learner_who_is_erased_and_begins_again(worker: Saving, served: Served) -> None:
    worker.complete(day=1)
    worker.complete(day=2)
    before = worker.version()
    with listen(served) as stream, listen(served, user_id="bob") as other:
        assert stream.next().id == str(before)
        other.next()
        worker.erase()
        assert stream.next() == Said("reset", "0", {"version": 0})
        stream.silence(1.5)
        worker.complete(day=3)
        again = worker.version()
        assert ids(stream.until("progress")) == [f"{again}:first", str(again)]
        other.silence(0.5)
    with listen(served, str(before)) as stream:
        assert stream.next() == Said("reset", str(again), {"version": again})
    with listen(served, "0") as stream:
        assert ids(stream.until("progress")) == [f"{again}:first", str(again)]
    worker.erase()
    with listen(served, str(again)) as stream:
        assert stream.next() == Said("reset", "0", {"version": 0})


def test_what_the_release_before_wrote_is_not_announced(worker: Saving, served: Served) -> None:
    worker.complete(day=1)
    begun = worker.version()
    for statement in (
        "UPDATE learner SET first_version = NULL",
        "UPDATE achievement_unlock SET learner_version = NULL",
    ):
        execute(worker.database.owner_url, statement)
    worker.complete(day=2)
    with listen(served, str(begun)) as stream:
        assert ids(stream.until("progress")) == [f"{begun + 1}:two_days", str(begun + 1)]
    with listen(served, "0") as stream:
        assert ids(stream.until("progress")) == [f"{begun + 1}:two_days", str(begun + 1)]


def test_heartbeats_keep_the_connection_open(worker: Saving, served: Served) -> None:
    with listen(served) as stream:
        stream.next()
        stream.silence(2.2)
        assert 3 <= stream.comments <= 5


def test_the_stream_ends_with_the_token(worker: Saving, served: Served) -> None:
    now = dt.datetime.now(dt.UTC).timestamp()
    with listening(served.address, bearer(served, now + 2.5)) as stream:
        assert kinds(stream.rest()) == ["progress"]
        assert stream.complete
    assert -0.5 < dt.datetime.now(dt.UTC).timestamp() - now - 2.5 < 3
    # A token of the last seconds, which the leeway would accept elsewhere.
    answer = httpx.get(f"{served.url}/api/progress/events", headers=bearer(served, now - 1))
    assert answer.status_code == 401


def bearer(served: Served, expires_at: float) -> dict[str, str]:
    settings = served.settings
    assert settings.jwt_secret is not None
    claims = {
        "sub": "ada",
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "exp": expires_at,
    }
    token = jwt.encode(claims, settings.jwt_secret.get_secret_value(), "HS256")
    return {"Authorization": f"Bearer {token}"}


def test_another_learners_stream_needs_the_scope(worker: Saving, served: Served) -> None:
    worker.complete("bob", day=1)
    trusted = served.headers("teacher", READ_ANY)
    with listening(served.address, trusted, query={"user_id": "bob"}) as stream:
        assert stream.next().id == str(worker.version("bob"))
    url = f"{served.url}/api/progress/events"
    for path in ("", "/ticket"):
        answer = httpx.get(f"{url}{path}?user_id=bob", headers=served.headers())
        assert answer.status_code == 403
        for wrong in ("user_id=", "user_id=a%00b", f"user_id={'a' * 129}", "user_id=a&user_id=b"):
            answer = httpx.get(f"{url}{path}?{wrong}", headers=trusted)
            assert answer.status_code == 422
        assert httpx.get(url + path).status_code == 401


def test_head_opens_no_stream(worker: Saving, served: Served) -> None:
    url = f"{served.url}/api/progress/events"
    for _ in range(7):
        answer = httpx.head(url, headers=served.headers())
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-length" not in answer.headers
    assert httpx.head(url).status_code == 401
    assert httpx.post(url, headers=served.headers()).status_code == 405


def test_each_client_reads_achievements_in_its_language(
    migrated_database: Database, tmp_path: Path
) -> None:
    german = "translations: {de: {name: Erste, description: Eine Aufgabe.}}"
    catalogue = CATALOGUE.replace("{id: first,", f"{{id: first, {german},")
    with (
        saving(migrated_database, tmp_path, catalogue) as worker,
        serve_view(migrated_database) as served,
        ExitStack() as stack,
    ):
        streams = {}
        for languages in ("de-AT, en;q=0.5", "fr", "de_DE;;"):
            headers = served.headers() | {"Accept-Language": languages}
            stream = stack.enter_context(listening(served.address, headers))
            assert stream.headers["vary"] == "Accept-Language"
            assert stream.next().kind == "progress"
            streams[languages] = stream
        worker.complete(day=1)
        said = {languages: stream.next().data for languages, stream in streams.items()}
    assert {languages: (data["name"], data["description"]) for languages, data in said.items()} == {
        "de-AT, en;q=0.5": ("Erste", "Eine Aufgabe."),
        "fr": ("First", "One exercise."),
        "de_DE;;": ("First", "One exercise."),
    }
