"""Sends events at a steady rate and measures how late each is committed and its unlocks arrive.

    python bench/latency.py [--rates 500,2000] [--seconds 20]

The clock of an event starts when it is handed to the Kafka client: that instant is its
`completed_at`, cut to milliseconds. Its commit is Postgres's own commit timestamp, taken just
before the commit record is flushed. An unlock's arrival is when a subscriber of the
achievement-unlocked topic has it in hand, which is not before Kafka acknowledged it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import LiteralString

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from bench.contestants.lineup import PARTITIONS, WORKER
from bench.machine import describe_machine, describe_versions
from bench.trial import Contestants, kafka_settings
from bench.usage import Usage
from bench.watch import TrialError
from bench.workload import completions, in_binary_mode
from progress_worker.domain.completion import Completion
from progress_worker.embedded.stack import EmbeddedStack
from progress_worker.settings import KafkaSettings
from progress_worker.storage.migrate import migrate
from progress_worker.topics import create_topics

_RESULTS = Path(__file__).with_name("results")
_TICK_SECONDS = 0.01
_WARM_UP_EVENTS = 500
_RAMP_SECONDS = 2.0
_SETTLE_SECONDS = 30.0
_CONNECT_SECONDS = 10
#: The embedded broker answers a waiting fetch when its time is over, not when a record comes.
_SUBSCRIBER_WAIT_MS = 5
_DONE: LiteralString = "SELECT (SELECT count(*) FROM completion), (SELECT count(*) FROM outbox)"
_SHARES = (0.5, 0.99, 0.999)

#: When something began and when it was over, as POSIX times.
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds at the median, the 99th and the 99.9th percentile."""

    samples: int
    p50: float
    p99: float
    p999: float


@dataclass(frozen=True, slots=True)
class Steady:
    """What was measured at one rate."""

    rate: int
    sent_rate: float
    committed: Latency
    received: Latency
    worker_cores: float
    postgres_cores: float
    other_cores: float


def main() -> None:
    """Measure, print and save."""
    options = _options()
    console = Console()
    rates = [int(rate) for rate in options.rates.split(",")]
    found = asyncio.run(measure(rates, options.seconds, console))
    console.print(_table(found))
    _RESULTS.mkdir(exist_ok=True)
    document = {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": options.seconds,
        "machine": describe_machine(),
        "versions": describe_versions(),
        "rates": [asdict(steady) for steady in found],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (_RESULTS / "latency.json").write_text(text + "\n", encoding="utf-8")


async def measure(rates: Sequence[int], seconds: float, console: Console) -> list[Steady]:
    """One worker on a fresh stack, one rate after the other."""
    with EmbeddedStack(durable=True) as stack:
        _keep_commit_times(stack)
        migrate(stack.database.owner_url)
        settings = kafka_settings(stack)
        await create_topics(settings)
        # Each learner's events are sent in their order; nobody has a second event before a first.
        events = _unique(sum(int(rate * seconds) for rate in rates) + _WARM_UP_EVENTS)
        found = []
        with Contestants(WORKER, stack) as worker:
            usage = Usage(worker.pids, stack.postgres.pid, stack.broker.pid)
            async with _Line(settings, stack.database.owner_url, worker.check) as line:
                await line.send(islice(events, _WARM_UP_EVENTS), rate=100)
                await line.settle()
                for rate in rates:
                    console.print(f"{rate:,} events/s for {seconds:g} s")
                    count = int(rate * seconds)
                    found.append(await _steady(line, usage, islice(events, count), rate))
    return found


async def _steady(line: _Line, usage: Usage, events: Iterator[Completion], rate: int) -> Steady:
    processor, started = usage.processor_time(), time.time()
    sent = await line.send(events, rate)
    lasted = time.time() - started
    used = usage.processor_time().since(processor)
    await line.settle()
    since = started + _RAMP_SECONDS
    return Steady(
        rate=rate,
        sent_rate=sent / lasted,
        committed=_latency(line.commits(), since),
        received=_latency(line.unlocks, since),
        worker_cores=used.workers / lasted,
        postgres_cores=used.postgres / lasted,
        other_cores=used.others / lasted,
    )


class _Line:
    """A producer of events and a subscriber of unlocks."""

    def __init__(
        self, settings: KafkaSettings, database_url: str, check: Callable[[], None]
    ) -> None:
        """`check` raises TrialError when the worker has ended."""
        self._check = check
        self._settings = settings
        self._database_url = database_url
        self._sent = 0
        self.unlocks: list[Span] = []

    async def __aenter__(self) -> _Line:
        bootstrap = self._settings.kafka_bootstrap
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_SUBSCRIBER_WAIT_MS,
        )
        await self._producer.start()
        await self._consumer.start()
        topic = self._settings.unlocked_topic
        self._consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        self._subscriber = asyncio.create_task(self._subscribe())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._subscriber.cancel()
        await asyncio.wait({self._subscriber})
        async with asyncio.timeout(_SETTLE_SECONDS):
            await self._consumer.stop()
            await self._producer.stop()

    async def send(self, events: Iterator[Completion], rate: int) -> int:
        """Send the events at this rate, each stamped with its own instant; returns how many."""
        size = max(1, round(rate * _TICK_SECONDS))
        started, sent = time.monotonic(), 0
        acknowledgements = []
        while chunk := list(islice(events, size)):
            for event in chunk:
                now = dt.datetime.now(dt.UTC)
                wire = in_binary_mode(event._replace(completed_at=now))
                acknowledgements.append(
                    await self._producer.send(
                        self._settings.completed_topic,
                        wire.value,
                        key=wire.key,
                        headers=list(wire.headers),
                    )
                )
            sent += len(chunk)
            await asyncio.sleep(max(0.0, started + sent / rate - time.monotonic()))
        async with asyncio.timeout(_SETTLE_SECONDS):
            await asyncio.gather(*acknowledgements)
        self._sent += sent
        return sent

    async def settle(self) -> None:
        """Wait until all that was sent is committed and the outbox is empty."""
        await asyncio.to_thread(self._wait_for_database)
        await asyncio.sleep(1.0)  # the last unlocks are on their way to the subscriber

    def _wait_for_database(self) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        with psycopg.connect(
            self._database_url, autocommit=True, connect_timeout=_CONNECT_SECONDS
        ) as connection:
            while connection.execute(_DONE).fetchone() != (self._sent, 0):
                self._check()
                if time.monotonic() > deadline:
                    raise TrialError("it did not catch up with what was sent")
                time.sleep(0.2)

    def commits(self) -> list[Span]:
        """When each completion happened and when Postgres committed it."""
        with psycopg.connect(self._database_url, connect_timeout=_CONNECT_SECONDS) as connection:
            rows = connection.execute(
                "SELECT extract(epoch FROM completed_at)::float8,"
                " extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM completion"
            ).fetchall()
        return [(completed, committed) for completed, committed in rows]

    async def _subscribe(self) -> None:
        async for record in self._consumer:
            now = time.time()
            unlocked_at = dt.datetime.fromisoformat(json.loads(record.value)["unlocked_at"])
            self.unlocks.append((unlocked_at.timestamp(), now))


def _keep_commit_times(stack: EmbeddedStack) -> None:
    """Postgres can tell when it committed a row, if it is asked to beforehand."""
    with psycopg.connect(
        stack.postgres.url(), autocommit=True, connect_timeout=_CONNECT_SECONDS
    ) as connection:
        connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    stack.postgres.restart()


def _unique(count: int) -> Iterator[Completion]:
    """So many different completions, all of this very moment once they are stamped."""
    seen = set()
    for completion in completions(count + count // 10):
        if completion.event_id not in seen:
            seen.add(completion.event_id)
            yield completion


def _latency(spans: Sequence[Span], since: float) -> Latency:
    waits = sorted((over - began) * 1000 for began, over in spans if began >= since)
    ranks = [waits[math.ceil(share * len(waits)) - 1] for share in _SHARES]
    return Latency(len(waits), *ranks)


def _table(found: Sequence[Steady]) -> Table:
    shown = Table(
        caption="p50 / p99 / p99.9 in ms. Others: cores that something else kept busy.",
        caption_justify="left",
    )
    for heading in ("events/s", "completed to committed", "completed to unlock received"):
        shown.add_column(heading, justify="right")
    for heading in ("worker", "Postgres", "others"):
        shown.add_column(heading, justify="right")
    for steady in found:
        shown.add_row(
            f"{steady.sent_rate:,.0f}",
            _told(steady.committed),
            _told(steady.received),
            f"{steady.worker_cores:.2f}",
            f"{steady.postgres_cores:.2f}",
            f"{steady.other_cores:.2f}",
        )
    return shown


def _told(latency: Latency) -> str:
    return f"{latency.p50:.0f} / {latency.p99:.0f} / {latency.p999:.0f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How late events are at a steady rate.")
    parser.add_argument("--rates", default="500,2000", help="events a second, one after the other")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
