"""A long export: constant memory, limited connections, and nothing kept after a client left."""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, LiteralString

import httpx
import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import TransientError
from progress_worker.http.export.spools import Spool, Spools
from tests.harness.storage import fetch
from tests.http.served import Served, add_completions, serve_view

pytestmark = pytest.mark.integration

COMPLETIONS = 150_000
#: More than socket buffers hold, so that an export that nobody reads stays open.
MANY = 50_000
#: The rows of this export would take some hundred megabytes if held at once.
ALLOWED_GROWTH = 8 * 1024 * 1024
#: More learners than connections for exports. Their exports do not fit into socket buffers.
SLOW = {"ada": "json", "cem": "xapi", "dan": "zip"}
#: Ends the sessions that read an export's completions; no row if there is none.
END_THE_READING: Final[LiteralString] = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'progress-view' AND query LIKE 'FETCH%' AND state <> 'idle'"
)
TIMEOUT = httpx.Timeout(60)
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    """Learners with very many completions, with many, and with few."""
    found = postgres.create_database("long_export", migrated_template)
    add_completions(found, "ada", COMPLETIONS)
    for user_id in ("cem", "dan"):
        add_completions(found, user_id, MANY)
    add_completions(found, "bob", 1_000)
    yield found
    postgres.drop_database(found.name)


@pytest.fixture(scope="module")
def served(database: Database) -> Iterator[Served]:
    with serve_view(
        database, PROGRESS_VIEW_EXPORT_POOL_SIZE="2", PROGRESS_VIEW_POOL_TIMEOUT_SECONDS="0.3"
    ) as found:
        yield found


@contextmanager
def exporting(served: Served, user_id: str = "cem", kind: str = "json") -> Iterator[httpx.Response]:
    """An export that has begun; waits for a place, which a client that left may still hold."""
    url = f"{served.url}/api/progress/export?format={kind}"
    # Compressed, an export fits into socket buffers.
    headers = {**served.headers(user_id), "Accept-Encoding": "identity"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT) as answer:
            if answer.status_code not in {429, 503} or time.monotonic() > deadline:
                assert answer.status_code == 200
                yield answer
                return


def download(served: Served, user_id: str, kind: str, path: Path) -> int:
    """Write an export to a file as it comes; returns its size."""
    with exporting(served, user_id, kind) as answer, path.open("wb") as file:
        assert "content-length" not in answer.headers
        for chunk in answer.iter_bytes():
            file.write(chunk)
    return path.stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's peak memory from /proc")
def test_an_export_takes_constant_memory(served: Served, tmp_path: Path) -> None:
    for kind in ("json", "csv"):
        download(served, "bob", kind, tmp_path / f"bob.{kind}")
    before = served.peak_bytes()
    sizes = [download(served, "ada", kind, tmp_path / f"ada.{kind}") for kind in ("json", "csv")]
    grown = served.peak_bytes() - before
    assert min(sizes) > 2 * ALLOWED_GROWTH
    assert grown < ALLOWED_GROWTH
    exported = json.loads((tmp_path / "ada.json").read_bytes())
    assert len(exported["completions"]) == COMPLETIONS
    times = [found["completed_at"] for found in exported["completions"]]
    assert times == sorted(times)
    assert (tmp_path / "ada.csv").read_bytes().count(b"\r\n") == COMPLETIONS + 1


def test_clients_that_read_slowly_hold_up_nobody(served: Served, database: Database) -> None:
    request = (
        "GET /api/progress/export?format={kind} HTTP/1.1\r\nHost: test\r\n"
        "Authorization: {Authorization}\r\n\r\n"
    )
    with ExitStack() as stack:
        slow = []
        for user_id, kind in SLOW.items():
            connecting = socket.create_connection(served.address, PATIENCE_SECONDS)
            client = stack.enter_context(connecting)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.sendall(request.format(kind=kind, **served.headers(user_id)).encode())
            assert client.recv(64).startswith(b"HTTP/1.1 200 ")
            slow.append(client)
        for path in ("/export", "/export?format=csv", "/export?format=zip", ""):
            answer = httpx.get(
                f"{served.url}/api/progress{path}", headers=served.headers("bob"), timeout=TIMEOUT
            )
            assert answer.status_code == 200
            # A client that reads a byte now and then is still slow.
            assert all(client.recv(1) for client in slow)
        open_snapshots = fetch(
            database.owner_url,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'progress-view'"
            " AND state <> 'idle'",
        )
        assert open_snapshots == [(0,)]
        refused = httpx.get(
            f"{served.url}/api/progress/export", headers=served.headers("cem"), timeout=TIMEOUT
        )
        assert refused.status_code == 429


def test_a_learner_has_one_export_at_a_time(served: Served) -> None:
    export = f"{served.url}/api/progress/export"
    with exporting(served):
        refused = httpx.get(export, headers=served.headers("cem"), timeout=TIMEOUT)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["detail"] == "An export of this learner is running already."
        with exporting(served, "bob") as other:
            assert other.status_code == 200


def test_the_head_of_an_export_does_not_say_how_long_it_is(served: Served) -> None:
    export = f"{served.url}/api/progress/export?format=json"
    with exporting(served) as answer:
        head = httpx.head(export, headers=served.headers("cem"), timeout=TIMEOUT)
        assert head.status_code == 200
        assert "content-length" not in head.headers
        assert head.content == b""
        for name in ("content-type", "content-disposition", "etag"):
            assert head.headers[name] == answer.headers[name]


def test_clients_that_leave_give_their_connection_back(served: Served) -> None:
    for _ in range(6):
        with exporting(served) as answer:
            next(answer.iter_bytes())


def test_an_export_that_breaks_off_is_seen_to_be_incomplete(database: Database) -> None:
    with (
        serve_view(database, PROGRESS_VIEW_EXPORT_TIMEOUT_SECONDS="4") as hurried,
        exporting(hurried) as answer,
    ):
        received = answer.iter_bytes()
        next(received)
        time.sleep(4)
        with pytest.raises(httpx.RemoteProtocolError):
            list(received)


def test_an_export_whose_connection_is_lost_has_not_begun(
    served: Served, database: Database
) -> None:
    asked = f"{served.url}/api/progress/export"
    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(httpx.get, asked, headers=served.headers(), timeout=TIMEOUT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not fetch(database.owner_url, END_THE_READING):
            assert time.monotonic() < deadline
        assert answering.result().status_code == 503
    assert httpx.get(asked, headers=served.headers("bob"), timeout=TIMEOUT).status_code == 200


def test_exports_that_wait_take_so_much_memory_and_no_more() -> None:
    spools = Spools(most_bytes=3_000)
    noise = random.Random(1).randbytes(2_000).hex()
    with spools.open() as first:
        assert kept(first, noise) == noise
        with spools.open() as second, pytest.raises(TransientError, match="Too many exports"):
            kept(second, noise)
    with spools.open() as third:
        assert kept(third, noise) == noise


def kept(spool: Spool, text: str) -> str:
    """The text after it went through a spool."""
    spool.write(text.encode())
    spool.finish()
    return b"".join(spool.portions()).decode()
