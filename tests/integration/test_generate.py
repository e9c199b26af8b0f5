"""`progress-worker generate` and `topics` as processes: a broker's address is all they need."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from progress_worker.demo.read import read_topic
from progress_worker.embedded.broker import Broker
from progress_worker.embedded.ports import free_port
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import load_kafka_settings

pytestmark = pytest.mark.integration

LIMIT_SECONDS = 60.0


@pytest.fixture
def environment(broker: Broker, topic_prefix: str) -> dict[str, str]:
    """The variables of this test's topics, without a database."""
    return {
        f"{PREFIX}KAFKA_BOOTSTRAP": broker.bootstrap,
        f"{PREFIX}KAFKA_IDEMPOTENT_PRODUCER": "false",
        f"{PREFIX}TOPIC_REPLICATION": "1",
        f"{PREFIX}TOPIC_PARTITIONS": "4",
        f"{PREFIX}COMPLETED_TOPIC": f"{topic_prefix}completed",
        f"{PREFIX}UNLOCKED_TOPIC": f"{topic_prefix}unlocked",
        f"{PREFIX}LEVEL_TOPIC": f"{topic_prefix}level",
        f"{PREFIX}STREAKS_TOPIC": f"{topic_prefix}streaks",
        f"{PREFIX}DEAD_LETTER_TOPIC": f"{topic_prefix}dlq",
        f"{PREFIX}COMMANDS_TOPIC": f"{topic_prefix}commands",
        f"{PREFIX}COMMANDS_DEAD_LETTER_TOPIC": f"{topic_prefix}commands.dlq",
    }


def test_every_record_is_published_by_its_key(environment: dict[str, str]) -> None:
    assert run(environment, "topics", "check").returncode == 1
    assert run(environment, "topics", "create").returncode == 0
    assert run(environment, "topics", "check").returncode == 0
    done = run(environment, "generate", "--count", "1200", "--seed", "5", "--learners", "30")
    assert done.returncode == 0, done.stderr
    assert "Published 1,200 records with seed 5" in done.stdout
    records = asyncio.run(read_all(environment))
    assert len(records) == 1200
    partitions: dict[bytes, set[int]] = {}
    for key, partition, _ in records:
        partitions.setdefault(key, set()).add(partition)
    assert len(partitions) >= 30
    assert all(len(found) == 1 for found in partitions.values())


def test_an_interrupted_run_tells_how_much_was_published(environment: dict[str, str]) -> None:
    assert run(environment, "topics", "create").returncode == 0
    with subprocess.Popen(
        [*COMMAND, "generate", "--count", "100000", "--rate", "200"],
        env=bare() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + LIMIT_SECONDS
        while len(asyncio.run(read_all(environment))) < 50:
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in complaints
    published = int(output.removeprefix("Published ").split()[0].replace(",", ""))
    # A chunk of ten may be there whose acknowledgement was no longer awaited.
    assert 40 <= published <= len(asyncio.run(read_all(environment))) <= published + 10


def test_a_missing_topic_is_named_with_the_command_that_makes_it(
    environment: dict[str, str],
) -> None:
    done = run(environment, "generate")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.strip() == (
        f"The topic {environment[PREFIX + 'COMPLETED_TOPIC']} does not exist "
        "(PROGRESS_COMPLETED_TOPIC): run `progress-worker topics create`."
    )


@pytest.mark.parametrize("command", [("generate", "--count", "10"), ("dlq", "redrive")])
def test_a_broker_without_idempotent_producers_is_one_sentence_that_names_the_setting(
    environment: dict[str, str], command: tuple[str, ...]
) -> None:
    assert run(environment, "topics", "create").returncode == 0
    del environment[f"{PREFIX}KAFKA_IDEMPOTENT_PRODUCER"]
    done = run(environment, *command)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.strip() == (
        "Kafka refuses an idempotent producer (InitProducerId: UnknownError): set "
        f"{PREFIX}KAFKA_IDEMPOTENT_PRODUCER=false for a broker that does not support it, or allow "
        "IdempotentWrite."
    )


def test_a_broker_that_is_away_is_one_sentence() -> None:
    done = run({f"{PREFIX}KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}, "generate")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Kafka cannot be reached")
    assert len(done.stderr.splitlines()) == 1


def test_an_address_that_is_not_set_is_one_sentence() -> None:
    done = run({}, "generate")
    assert done.returncode == 1
    assert done.stderr.strip() == f"{PREFIX}KAFKA_BOOTSTRAP is not set."


COMMAND = [sys.executable, "-m", "progress_worker"]


def bare() -> dict[str, str]:
    """This process's environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=bare() | dict(environment),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


async def read_all(environment: Mapping[str, str]) -> list[tuple[bytes, int, bytes | None]]:
    """Key, partition and value of all records on the topic."""
    settings = load_kafka_settings(
        kafka_bootstrap=environment[f"{PREFIX}KAFKA_BOOTSTRAP"],
        topic_partitions=int(environment[f"{PREFIX}TOPIC_PARTITIONS"]),
    )
    records = await read_topic(settings, environment[f"{PREFIX}COMPLETED_TOPIC"])
    return [(record.key, record.partition, record.value) for record in records]
