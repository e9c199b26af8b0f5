"""Clients that send nothing or never finish stop neither other clients nor the probes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.embedded.postgres import Postgres
from tests.harness.clients import (
    HALF_A_HEAD,
    PATIENCE_SECONDS,
    REQUEST,
    SLOW,
    clients,
    seconds_open,
)
from tests.http.served import Served, serve_view

pytestmark = pytest.mark.integration

OPEN_FILES = 160
HEAD_SECONDS = 1.0
UNREAD = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: test\r\n\r\n"


class Cramped(NamedTuple):
    """A view that may open few files, the port of its metrics, and its log."""

    served: Served
    metrics_port: int
    log: Path


@pytest.fixture(scope="module")
def database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    found = postgres.create_database("connections", migrated_template)
    yield found
    postgres.drop_database(found.name)


@pytest.fixture(scope="module")
def cramped(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cramped]:
    port, log = free_port(), tmp_path_factory.mktemp("cramped") / "log"
    with serve_view(
        database, log, OPEN_FILES=str(OPEN_FILES), PROGRESS_VIEW_METRICS_PORT=str(port)
    ) as served:
        yield Cramped(served, port, log)


@pytest.fixture(scope="module")
def impatient(database: Database) -> Iterator[Served]:
    with serve_view(database, HEAD_SECONDS=str(HEAD_SECONDS)) as served:
        yield served


def test_more_connections_than_files(cramped: Cramped) -> None:
    served = cramped.served
    with ExitStack() as stack:
        for sent in (b"", HALF_A_HEAD, REQUEST, UNREAD):
            stack.enter_context(clients(served.address, OPEN_FILES, sent))
            for path in ("/livez", "/readyz", "/api/progress"):
                answer = httpx.get(
                    served.url + path, headers=served.headers(), timeout=PATIENCE_SECONDS
                )
                assert answer.status_code == 200
    lines = [json.loads(line) for line in cramped.log.read_text().splitlines()]
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("connection_closed", "too_many")
    ]


@pytest.mark.parametrize("how", SLOW)
def test_a_request_that_takes_too_long_is_cut_off(impatient: Served, how: str) -> None:
    assert HEAD_SECONDS / 2 < seconds_open(impatient.address, *SLOW[how]) < PATIENCE_SECONDS


def test_an_idle_connection_stays_open_for_the_next_request(impatient: Served) -> None:
    with httpx.Client(base_url=impatient.url, timeout=PATIENCE_SECONDS) as client:
        ports = set()
        for _ in range(2):
            stream = client.get("/livez").extensions["network_stream"]
            ports.add(stream.get_extra_info("client_addr")[1])
            time.sleep(1.5 * HEAD_SECONDS)
        assert len(ports) == 1


def test_metrics_have_a_port_of_their_own(cramped: Cramped) -> None:
    headers = cramped.served.headers()
    apart = f"http://{LOOPBACK}:{cramped.metrics_port}"
    assert httpx.get(f"{apart}/metrics").text.startswith("# HELP")
    assert httpx.get(f"{cramped.served.url}/metrics").status_code == 404
    for path in ("/livez", "/readyz", "/api/progress", "/docs", "/"):
        assert httpx.get(apart + path, headers=headers).status_code == 404


@pytest.mark.parametrize("part", [b"X-Long: ", b"GET /", b"X: y\r\n" * 3 + b"Cookie: "])
def test_a_head_has_a_largest_size(impatient: Served, part: bytes) -> None:
    before = impatient.peak_bytes()
    with socket.create_connection(impatient.address, timeout=PATIENCE_SECONDS) as client:
        if not part.startswith(b"GET"):
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: test\r\n")
        client.sendall(part)
        with suppress(ConnectionError):
            for _ in range(1_000):
                client.sendall(b"a" * 16_384)
        with suppress(ConnectionError):
            answer = client.recv(4_096)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
            assert client.recv(4_096) == b""
    assert impatient.peak_bytes() - before < 8 * 1024 * 1024
