"""A flood of broken records: all are dead-lettered, nothing stops, and the alert fires."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from itertools import chain, islice
from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.generator.broken import SPOILS
from progress_worker.generator.generator import generate
from tests.deploy.prometheus import run_prometheus
from tests.harness.deploying import deploy
from tests.harness.flood import broken
from tests.harness.ledger import Ledger
from tests.harness.traffic import END, Traffic
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.integration

_DRAIN_SECONDS = 300.0
_COUNTER = "progress_dead_letters_total"
_REASONS = sorted({reason for reason, _ in SPOILS})
_PENDING = 'ALERTS{alertname="ProgressDeadLetters",alertstate="pending"}'


@pytest.mark.parametrize("count", [1_500, pytest.param(20_000, marks=pytest.mark.faults)])
async def test_all_are_dead_lettered_and_the_next_good_ones_applied(
    broker: Broker, migrated_database: Database, tmp_path: Path, ledger: Ledger, count: int
) -> None:
    deployment = await deploy(broker.bootstrap, migrated_database, tmp_path, idempotent=False)
    good = generate(count + 300, count, count // 20, END)
    bad = broken(generate(count, count + 1, count // 20, END, broken_share=0))
    traffic = Traffic(deployment, seed=0, records=chain(islice(good, count), bad, good))
    seconds = []
    for _ in range(2):
        await traffic.send(count)
        async with deployment.worker(await_ready=False) as worker:
            # Do not wait until it is ready: much of the work may be done by then.
            await wait_until(
                partial(worker.has_said, "partition_consumer_started"), "the worker reads"
            )
            started = time.perf_counter()
            await traffic.drained(_DRAIN_SECONDS)
            seconds.append(time.perf_counter() - started)
            counted = [await worker.metric(_COUNTER, reason=reason) for reason in _REASONS]
    sent = Counter(record.reason for record in traffic.sent[count:])
    assert counted == [sent[reason] for reason in _REASONS]
    assert sum(counted) == count
    async with deployment.worker():
        await traffic.send()
        assert await traffic.differences() == []
    ledger.add("flood of broken records", traffic, 1)
    slower = seconds[1] / seconds[0]
    ledger.note(f"{count:,} broken records took {slower:.2f} times as long as as many good ones")


async def test_the_alert_is_raised(
    broker: Broker, migrated_database: Database, tmp_path: Path
) -> None:
    """Our rules raise it on what a real Prometheus has scraped; it is pending before it fires."""
    deployment = await deploy(broker.bootstrap, migrated_database, tmp_path, idempotent=False)
    port = deployment.environment()["WEB_PORT"]
    targets = {"progress-worker": [f"{LOOPBACK}:{port}"], "progress-api": []}
    traffic = Traffic(deployment, seed=0, records=broken(generate(300, 0, 20, END, broken_share=0)))
    async with deployment.worker(WEB_PORT=port), run_prometheus(tmp_path, targets) as prometheus:
        scraped = "progress_events_total"
        await wait_until(lambda: prometheus.data(scraped), "Prometheus has seen the worker")
        assert await prometheus.data(_PENDING) == []
        await traffic.send()
        await wait_until(lambda: prometheus.data(_PENDING), "the alert is raised")
