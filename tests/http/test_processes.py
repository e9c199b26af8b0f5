"""Several processes of a view share its port, its metrics and its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import ConfigurationError
from progress_worker.http.serving.processes import Processes
from tests.harness.clients import PATIENCE_SECONDS
from tests.harness.forking import Forked
from tests.http.served import Served, serve_view

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc"),
]

COUNT = 3
CANNOT = "This one cannot start"
COUNTED = r'_count\{method="GET",route="/livez",status="200"\} (\S+)'


@pytest.fixture(scope="module")
def database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    found = postgres.create_database("processes", migrated_template)
    yield found
    postgres.drop_database(found.name)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def served(database: Database, log: Path) -> Iterator[Served]:
    with serve_view(database, log, PROCESSES=str(COUNT)) as found:
        await_true(lambda: len(children(found)) == COUNT)
        yield found


def children(served: Served) -> set[int]:
    """The ids of the processes that the view's parent has started."""
    text = Path(f"/proc/{served.pid}/task/{served.pid}/children").read_text("ascii")
    return {int(pid) for pid in text.split()}


def await_true(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask(served: Served) -> None:
    assert httpx.get(f"{served.url}/livez", timeout=PATIENCE_SECONDS).status_code == 200


def counted(served: Served) -> float:
    """How many requests to `/livez` the metrics count."""
    text = httpx.get(f"{served.url}/metrics", timeout=PATIENCE_SECONDS).text
    assert "progress_view_requests_in_progress 1.0" in text  # this one
    assert 'progress_view_key_refreshes_total{result="ok"}' in text
    assert "process_resident_memory_bytes" not in text
    found = re.search(COUNTED, text)
    return float(found[1]) if found else 0.0


def listens(served: Served) -> bool:
    with socket.socket() as client:
        return client.connect_ex(served.address) == 0


def answer_alone(served: Served, pid: int) -> None:
    """Have this process answer while all others stand still."""
    others = children(served) - {pid}
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        ask(served)
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


def test_all_answer_and_their_metrics_add_up(served: Served) -> None:
    for pid in children(served):
        answer_alone(served, pid)
    for pid in children(served):
        before = counted(served)
        answer_alone(served, pid)
        assert counted(served) == before + 1
    assert counted(served) == 2 * COUNT


def test_a_process_that_dies_is_replaced_and_nobody_notices(served: Served, log: Path) -> None:
    before = children(served)
    for pid in before:
        answer_alone(served, pid)
    for killed in before:
        expected = counted(served)
        os.kill(killed, signal.SIGKILL)
        while len(children(served)) < COUNT or killed in children(served):
            ask(served)
            expected += 1
            assert counted(served) == expected
    assert not before & children(served)
    for pid in children(served):
        answer_alone(served, pid)
    said = log.read_text()
    assert said.count("view_process_died") == COUNT
    assert all(f'"pid": {pid}' in said for pid in before)


def test_a_process_that_is_killed_in_a_request_leaves_none_in_progress(
    served: Served, database: Database
) -> None:
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.owner_url) as blocking:
        blocking.execute("LOCK TABLE learner")
        asking = pool.submit(httpx.get, f"{served.url}/api/progress", headers=served.headers())
        await_true(lambda: waits_for_lock(database))
        for pid in children(served):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            asking.result(PATIENCE_SECONDS)
        counted(served)


def waits_for_lock(database: Database) -> bool:
    with psycopg.connect(database.owner_url) as connection:
        found = connection.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND application_name = 'progress-view' AND datname = current_database()"
        )
        return found.fetchone() is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish(
    served: Served, database: Database, number: signal.Signals
) -> None:
    pids = children(served)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.owner_url) as blocking:
        blocking.execute("LOCK TABLE learner")
        asking = pool.submit(httpx.get, f"{served.url}/api/progress", headers=served.headers())
        await_true(lambda: waits_for_lock(database))
        os.kill(served.pid, number)
        await_true(lambda: not listens(served))
        await_true(lambda: len(children(served)) == 1)
        assert served.process.poll() is None
        blocking.rollback()
        assert asking.result(PATIENCE_SECONDS).status_code == 200
    assert served.process.wait(PATIENCE_SECONDS) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_others_end_when_the_parent_is_killed(served: Served) -> None:
    os.kill(served.pid, signal.SIGKILL)
    await_true(lambda: not listens(served))


def test_too_few_open_files(database: Database, log: Path) -> None:
    with (
        pytest.raises(AssertionError, match="the view ended"),
        serve_view(database, log, PROCESSES=str(COUNT), OPEN_FILES="100"),
    ):
        pass
    assert "The limit of open files (`ulimit -n`) is 100: raise it to" in log.read_text()


def test_metrics_leave_no_files_behind(database: Database, tmp_path: Path) -> None:
    with serve_view(database, PROCESSES=str(COUNT), TMPDIR=str(tmp_path)) as found:
        assert list(tmp_path.glob("progress-view-*/*.db"))
        ask(found)
    assert found.process.poll() == 0
    assert list(tmp_path.iterdir()) == []


def run_what_cannot_start() -> None:
    Processes(COUNT, (), refuse_second, lambda _: None).run()


def refuse_second(place: int) -> None:
    if place == 1:
        raise ConfigurationError(CANNOT)
    time.sleep(PATIENCE_SECONDS)


def test_all_end_with_the_sentence_of_one_that_cannot_start(log: Path) -> None:
    process = Forked(run_what_cannot_start, dict(os.environ), log)
    assert process.wait(PATIENCE_SECONDS / 2) == 1
    assert log.read_text().startswith(f"{CANNOT}.\n")
    assert "1 of the view's processes did not end in order." in log.read_text()


def run_what_always_dies() -> None:
    Processes(1, (), lambda _: sys.exit(7), lambda _: None).run()


def test_a_process_that_always_dies_is_started_ever_more_seldom(log: Path) -> None:
    process = Forked(run_what_always_dies, dict(os.environ), log)
    await_true(lambda: log.exists() and log.read_text().count("view_process_died") == 3)
    process.terminate()
    assert process.wait(PATIENCE_SECONDS) == 0
    pauses = re.findall(r"again_in_seconds\W+(?:\x1b\[\d+m)*([0-9.]+)", log.read_text())
    assert pauses == ["1.0", "2.0", "4.0"]
    assert log.read_text().count("status") == 3
