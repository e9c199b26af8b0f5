"""The soak: two workers drain a backlog, then take a mixed load for minutes; nothing may grow.

python -m tests.faults.soak [--events N] [--minutes N] [--rate N]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import psutil
from aiokafka.structs import RecordMetadata
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from progress_worker.demo.stack import EmbeddedStack
from progress_worker.generator.generator import GeneratedRecord, generate
from progress_worker.generator.publish import publish
from progress_worker.storage.schema.migrate import migrate
from tests.harness.deploying import deploy
from tests.harness.reconcile_many import reconcile_many
from tests.harness.storage import fetch
from tests.harness.traffic import END
from tests.harness.trend import trend
from tests.harness.waiting import wait_until
from tests.harness.worker import WORKER, Deployment, WorkerProcess

Advance = Callable[[int], None]

WORKERS: Final = 2
_MIB: Final = 2**20
_SAMPLE_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 1_800.0
#: A cycle has a steady rate, then a burst of as many events as come in five seconds.
_CYCLE_SECONDS, _BURST_SECONDS = 15, 5
_EVENTS_PER_LEARNER: Final = 20
#: Part of the load's time in which caches fill and Python's arenas settle.
_WARM_UP: Final = 1 / 3
#: At 400 events a second these are 20 bytes an event.
_GROWTH_MIB_PER_MINUTE: Final = 0.5
#: A shorter load says nothing about memory.
_JUDGED_MINUTES: Final = 5.0
_OUTBOX_GROWTH: Final = 500.0


class Sample(NamedTuple):
    """One sample: minutes of load, MiB of each worker, rows of the outbox, connections."""

    minute: float
    resident: tuple[float, ...]
    outbox: int
    connections: int


class Load:
    """The records of a soak, in order; the same every time that they are generated."""

    def __init__(self, backlog: int, minutes: float, rate: int) -> None:
        self.backlog = backlog
        self.rate = rate
        self.cycles = round(minutes * 60 / _CYCLE_SECONDS)
        self.total = backlog + self.cycles * rate * (_CYCLE_SECONDS + _BURST_SECONDS)

    def records(self) -> Iterator[GeneratedRecord]:
        """All records, from the beginning."""
        return generate(
            self.total,
            11,
            max(1, self.total // _EVENTS_PER_LEARNER),
            END,
            repeat_share=0.05,
            late_share=0.03,
            revision_share=0.04,
            broken_share=0.01,
        )


class Soak:
    """Sends the load to a deployment and watches its workers."""

    def __init__(self, deployment: Deployment, load: Load, progress: Progress) -> None:
        self.samples: list[Sample] = []
        self._deployment = deployment
        self._load = load
        self._settings = deployment.settings()
        self._progress = progress
        self._ends: dict[int, int] = {}

    async def run(self) -> None:
        """Send, drain, load, drain; the workers must live to the end."""
        records = self._load.records()
        await self._send(
            islice(records, self._load.backlog), self._bar("publishing", self._load.backlog)
        )
        async with AsyncExitStack() as stack:
            workers = [
                await stack.enter_async_context(self._deployment.worker(WORKER))
                for _ in range(WORKERS)
            ]
            await self._drain()
            loaded = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(workers, loaded))
                await self._put_under_load(records)
                loaded.set()
            await self._drain()
            for worker in workers:
                assert await worker.terminate() == 0, worker.said()[-2_000:]

    async def reconciled(self) -> list[str]:
        """The differences from what was sent."""
        learners = self._load.total // _EVENTS_PER_LEARNER
        advance = self._bar("reconciling learners", learners)
        return await reconcile_many(self._deployment, self._load.records(), advance)

    async def _put_under_load(self, records: Iterator[GeneratedRecord]) -> None:
        advance = self._bar("mixed load", self._load.total - self._load.backlog)
        rate = self._load.rate
        for _ in range(self._load.cycles):
            await self._send(islice(records, rate * _CYCLE_SECONDS), advance, rate=rate)
            await self._send(islice(records, rate * _BURST_SECONDS), advance)

    async def _send(
        self, records: Iterator[GeneratedRecord], advance: Advance, *, rate: int = 0
    ) -> None:
        def acknowledged(some: Sequence[tuple[GeneratedRecord, RecordMetadata]]) -> None:
            for _, place in some:
                self._ends[place.partition] = place.offset + 1
            advance(len(some))

        await publish(self._settings, records, acknowledged, rate=rate)

    async def _drain(self) -> None:
        total = sum(self._ends.values())
        advance, done = self._bar("draining", total), 0
        started = time.perf_counter()

        async def drained() -> bool:
            nonlocal done
            kafka, group = self._deployment.kafka, self._deployment.group
            committed = sum((await kafka.committed(group, self._deployment.completed)).values())
            advance(committed - done)
            done = committed
            await asyncio.sleep(0.5)
            return committed == total and self._outbox() == 0

        await wait_until(drained, "everything is committed and published", _DRAIN_SECONDS)
        self._progress.console.print(f"drained after {time.perf_counter() - started:.0f} s")

    async def _watch(self, workers: Sequence[WorkerProcess], loaded: asyncio.Event) -> None:
        processes = [psutil.Process(worker.process.pid) for worker in workers]
        started = time.monotonic()
        while not loaded.is_set():
            sample = Sample(
                minute=(time.monotonic() - started) / 60,
                resident=tuple(one.memory_info().rss / _MIB for one in processes),
                outbox=self._outbox(),
                connections=self._connections(),
            )
            if not self.samples or int(sample.minute) > int(self.samples[-1].minute):
                self._progress.console.print(report_line(sample))
            self.samples.append(sample)
            await asyncio.sleep(_SAMPLE_SECONDS)

    def _outbox(self) -> int:
        ((count,),) = fetch(self._deployment.database.owner_url, "SELECT count(*) FROM outbox")
        return int(count)

    def _connections(self) -> int:
        ((count,),) = fetch(
            self._deployment.database.owner_url,
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'progress_worker'",
        )
        return int(count)

    def _bar(self, name: str, total: int) -> Advance:
        return partial(self._progress.advance, self._progress.add_task(name, total=total))


def report_line(sample: Sample) -> str:
    """A line of the report."""
    resident = " and ".join(f"{mib:.1f}" for mib in sample.resident)
    return (
        f"minute {sample.minute:.0f}: {resident} MiB, {sample.outbox:,} in the outbox, "
        f"{sample.connections} connections"
    )


def complaints(samples: Sequence[Sample], pool_size: int, console: Console) -> list[str]:
    """A sentence for each thing that grew after the warm-up; prints the figures."""
    minutes = samples[-1].minute
    settled = [sample for sample in samples if sample.minute > minutes * _WARM_UP]
    wrong = []
    for number in range(WORKERS):
        memory = trend([(sample.minute, sample.resident[number]) for sample in settled])
        console.print(
            f"worker {number + 1}: {settled[-1].resident[number]:.1f} MiB, "
            f"{memory.slope:+.2f} ± {memory.error:.2f} MiB a minute after the warm-up"
        )
        if minutes >= _JUDGED_MINUTES and memory.exceeds(_GROWTH_MIB_PER_MINUTE):
            wrong.append(f"the memory of worker {number + 1} grows")
    half = len(settled) // 2
    before, after = (mean(s.outbox for s in some) for some in (settled[:half], settled[half:]))
    console.print(f"outbox: {before:.0f} records on average, then {after:.0f}")
    if after > before + _OUTBOX_GROWTH:
        wrong.append("the outbox grows")
    connections = [sample.connections for sample in samples]
    console.print(f"connections: {min(connections)} to {max(connections)}")
    if max(connections) > WORKERS * pool_size:
        wrong.append("there are more connections than the workers may have")
    return wrong


async def soak(load: Load, directory: Path, stack: EmbeddedStack, progress: Progress) -> list[str]:
    """Run a soak; returns a sentence for each thing that is wrong."""
    migrate(stack.database.owner_url)
    deployment = await deploy(stack.broker.bootstrap, stack.database, directory, idempotent=False)
    run = Soak(deployment, load, progress)
    await run.run()
    pool_size = deployment.settings().database_pool_size
    wrong = complaints(run.samples, pool_size, progress.console)
    return wrong + await run.reconciled()


def main() -> None:
    """Soak, print, and exit with 1 when something is wrong."""
    options = _options()
    load = Load(options.events, options.minutes, options.rate)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        TemporaryDirectory() as directory,
        EmbeddedStack(durable=True) as stack,
        Progress(*columns, TimeElapsedColumn(), console=console) as progress,
    ):
        wrong = asyncio.run(soak(load, Path(directory), stack, progress))
    console.print(*(wrong[:20] or [f"{load.total:,} records: lost 0, doubled 0"]), sep="\n")
    sys.exit(bool(wrong))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="events in the backlog")
    parser.add_argument("--minutes", type=float, default=10, help="minutes of mixed load")
    parser.add_argument("--rate", type=int, default=300, help="events a second between bursts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
