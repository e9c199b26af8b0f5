"""Sends events at a steady rate and measures how late each is committed and its unlocks arrive.

    python bench/latency.py [--rates 500,2000] [--seconds 20] [--bootstrap HOST:PORT]

The clock of an event starts when it is handed to the Kafka client: that instant is its
`completed_at`, cut to milliseconds. Its commit is Postgres's own commit timestamp, taken just
before the commit record is flushed. An unlock's arrival is when a subscriber of the
achievement-unlocked topic has it in hand, which is not before Kafka acknowledged it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench.contestants.lineup import WORKER
from bench.line import Line, Span
from bench.machine import describe_machine, describe_versions
from bench.trial import Contestants, kafka_settings
from bench.usage import Usage
from bench.watch import TrialError
from bench.workload import completions
from progress_worker.demo.stack import EmbeddedStack
from progress_worker.domain.completion import Completion
from progress_worker.errors import ProgressError
from progress_worker.kafka.topics import create_topics, wanted_topics
from progress_worker.storage.schema.migrate import migrate

_RESULTS = Path(__file__).with_name("results")
_WARM_UP_EVENTS = 500
_RAMP_SECONDS = 2.0
_CONNECT_SECONDS = 10
_SHARES = (0.5, 0.99, 0.999)


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
    # A garbage collection would delay the measurements here by a tenth of a second at a time.
    gc.disable()
    try:
        found = asyncio.run(measure(rates, options.seconds, console, options.bootstrap))
    except (TrialError, ProgressError) as error:
        sys.exit(str(error))
    console.print(_table(found))
    _RESULTS.mkdir(exist_ok=True)
    document = {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": options.seconds,
        "kafka": "embedded" if options.bootstrap is None else "given",
        "machine": describe_machine(),
        "versions": describe_versions(),
        "rates": [asdict(steady) for steady in found],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    name = "latency.json" if options.bootstrap is None else "latency-kafka.json"
    (_RESULTS / name).write_text(text + "\n", encoding="utf-8")


async def measure(
    rates: Sequence[int], seconds: float, console: Console, bootstrap: str | None = None
) -> list[Steady]:
    """One worker on a fresh stack, one rate after the other.

    `bootstrap` is that of a Kafka to use instead of the stack's own. Raises TrialError if that
    Kafka has our topics already.
    """
    with EmbeddedStack(durable=True) as stack:
        _keep_commit_times(stack)
        migrate(stack.database.owner_url)
        bootstrap = bootstrap or stack.broker.bootstrap
        settings = kafka_settings(bootstrap)
        if len(await create_topics(settings)) < len(wanted_topics(settings)):
            raise TrialError("that Kafka has topics of ours already: give an empty one")
        # Each learner's events are sent in order.
        events = _unique(sum(int(rate * seconds) for rate in rates) + _WARM_UP_EVENTS)
        found = []
        with Contestants(WORKER, stack, bootstrap) as worker:
            usage = Usage(worker.pids, stack.postgres.pid, stack.broker.pid)
            async with Line(settings, stack.database.owner_url, worker.check) as line:
                await line.send(islice(events, _WARM_UP_EVENTS), rate=100)
                await line.settle()
                for rate in rates:
                    console.print(f"{rate:,} events/s for {seconds:g} s")
                    count = int(rate * seconds)
                    found.append(await _steady(line, usage, islice(events, count), rate))
    return found


async def _steady(line: Line, usage: Usage, events: Iterator[Completion], rate: int) -> Steady:
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


def _keep_commit_times(stack: EmbeddedStack) -> None:
    """Make Postgres keep the time of each commit."""
    with psycopg.connect(
        stack.postgres.url(), autocommit=True, connect_timeout=_CONNECT_SECONDS
    ) as connection:
        connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    stack.postgres.restart()


def _unique(count: int) -> Iterator[Completion]:
    """`count` different completions; each gets the present time when it is sent."""
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
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds for each rate")
    parser.add_argument("--bootstrap", help="an empty Kafka instead of the embedded broker")
    return parser.parse_args()


if __name__ == "__main__":
    main()
