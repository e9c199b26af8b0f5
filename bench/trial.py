"""One measurement: a fresh stack, a backlog, a contestant that drains it, and its result read back.

The rule is the same for all; it is in `watch`. A contestant whose tables are wrong at the end gets
an error and no measurement.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.contestants.lineup import PARTITIONS, Contestant, Site
from bench.publishing import publish_backlog
from bench.reconciliation import our_differences, their_differences
from bench.usage import Usage
from bench.watch import Measurement, TopicBacklog, TrialError, Watch
from bench.workload import EVENTS_PER_LEARNER, Workload
from progress_worker.demo.stack import EmbeddedStack
from progress_worker.embedded.guard import Guard
from progress_worker.embedded.ports import free_port
from progress_worker.kafka.topics import create_topics
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import KafkaSettings, load_kafka_settings
from progress_worker.storage.schema.migrate import migrate

_TABLES = Path(__file__).with_name("tables.sql")
_STORED = Path(__file__).with_name("stored.sql")
_ROOT = Path(__file__).parents[1]
_LIMIT_SECONDS = 240.0
_STOP_SECONDS = 15.0
_READ_SECONDS = 20.0
_CONNECT_SECONDS = 10
_LAST_WORDS = 2_000


def run_trial(contestant: Contestant, workload: Workload) -> Measurement:
    """Measure once. Raises TrialError, and FatalError when a server does not start."""
    with EmbeddedStack(durable=True) as stack:
        _make_tables(contestant, stack, workload)
        settings = kafka_settings(stack.broker.bootstrap)
        counts = asyncio.run(_fill(settings, workload))
        backlog = TopicBacklog(stack.broker.bootstrap, stack.database.owner_url, counts)
        with Contestants(contestant, stack, stack.broker.bootstrap) as running:
            usage = Usage(running.pids, stack.postgres.pid, stack.broker.pid)
            watch = Watch(backlog, usage, running.check)
            measurement = asyncio.run(watch.run(_LIMIT_SECONDS, drains_outbox=contestant.ours))
            running.stop()
            if wrong := _differences(contestant, settings, backlog, workload):
                what = "; ".join(wrong)
                raise TrialError(f"its tables are wrong: {what}. {running.last_words()}")
    return measurement


def kafka_settings(bootstrap: str) -> KafkaSettings:
    """The settings by which this process connects to the Kafka of the measurement."""
    return load_kafka_settings(
        kafka_bootstrap=bootstrap,
        kafka_idempotent_producer=False,
        topic_partitions=PARTITIONS,
        topic_replication=1,
    )


def _make_tables(contestant: Contestant, stack: EmbeddedStack, workload: Workload) -> None:
    url = stack.database.owner_url
    if contestant.ours:
        migrate(url)
        if contestant.stored:
            _store(url, contestant.stored, len(workload.expected.totals))
        return
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        connection.execute(_TABLES.read_bytes())


def _store(url: str, completions: int, learners: int) -> None:
    """Fill the tables with completions of learners who have no events in the backlog."""
    each = max(1, completions // learners // EVENTS_PER_LEARNER)
    numbers = {"neighbours": learners, "each": each, "completions": EVENTS_PER_LEARNER}
    with psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
        for statement in _STORED.read_text("utf-8").split(";\n"):
            if statement.strip():
                connection.execute(statement.encode(), numbers if "%(" in statement else None)


async def _fill(settings: KafkaSettings, workload: Workload) -> list[int]:
    await create_topics(settings)
    return await publish_backlog(
        settings.kafka_bootstrap, settings.completed_topic, PARTITIONS, workload.records
    )


class Contestants:
    """A contestant's processes. They end when this process ends, however that happens."""

    def __init__(self, contestant: Contestant, stack: EmbeddedStack, bootstrap: str) -> None:
        """`bootstrap` is that of the Kafka of the measurement."""
        self._contestant = contestant
        self._stack = stack
        self._bootstrap = bootstrap
        self._guard = Guard()
        self.pids: list[int] = []

    def __enter__(self) -> Contestants:
        """Start the processes."""
        site = Site(self._bootstrap, self._stack.database.owner_url)
        try:
            for command in self._contestant.commands(site):
                log = self._guard.directory / f"{len(self.pids)}.log"
                pid = self._guard.start(command, environment=self._environment(), log=log)
                self.pids.append(pid)
        except BaseException:
            self._guard.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.close()

    def _environment(self) -> dict[str, str]:
        """The variables of a process: the embedded stack's defaults and a web port of its own."""
        variables = {name: value for name, value in os.environ.items() if PREFIX not in name}
        own = {
            PREFIX + "WEB_PORT": str(free_port()),
            PREFIX + "KAFKA_BOOTSTRAP": self._bootstrap,
            "PYTHONPATH": str(_ROOT),
        }
        defaults = self._stack.environment()
        if self._bootstrap != self._stack.broker.bootstrap:
            del defaults[PREFIX + "KAFKA_FETCH_MAX_WAIT_SECONDS"]  # meant for the embedded broker
        return variables | defaults | own

    def check(self) -> None:
        """Raises TrialError, with the end of its output, if a process has ended."""
        for pid in self.pids:
            code = self._guard.exit_code(pid)
            if code is not None:
                raise TrialError(f"it ended with status {code}. {self.last_words()}")

    def last_words(self) -> str:
        """The end of the processes' output."""
        logs = sorted(self._guard.directory.glob("*.log"))
        return "\n".join(log.read_text(errors="replace")[-_LAST_WORDS:] for log in logs)

    def stop(self) -> None:
        """End the processes, so that none writes while the result is read."""
        for pid in self.pids:
            self._guard.signal(pid, signal.SIGTERM)
        for pid in self.pids:
            if self._guard.wait(pid, _STOP_SECONDS) is None:
                self._guard.signal(pid, signal.SIGKILL)
                self._guard.wait(pid, _STOP_SECONDS)


def _differences(
    contestant: Contestant, settings: KafkaSettings, backlog: TopicBacklog, workload: Workload
) -> list[str]:
    url = backlog.database_url
    if contestant.ours:
        return our_differences(url, workload, asyncio.run(_published(settings)))
    return their_differences(url, workload.expected)


async def _published(settings: KafkaSettings) -> Sequence[tuple[str, str, int]]:
    """Every unlock on the topic, repeats included, as learner, achievement and occurrence."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    unlocks: list[tuple[str, str, int]] = []
    async with asyncio.timeout(_READ_SECONDS), consumer:
        topic = settings.unlocked_topic
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        while batch := await consumer.getmany(timeout_ms=1_000):
            for records in batch.values():
                events = [json.loads(record.value) for record in records]
                unlocks += [
                    (event["user_id"], event["achievement_id"], event["occurrence"])
                    for event in events
                ]
    return unlocks
