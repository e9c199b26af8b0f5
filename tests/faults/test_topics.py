"""Topics change while workers run: partitions are added, topics missing, records deleted."""

from __future__ import annotations

import asyncio
import json
import random
from functools import partial
from typing import Any

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.kafka.topics import create_topics
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness.apache_kafka import Cluster
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.traffic import Traffic
from tests.harness.waiting import wait_until
from tests.harness.worker import WorkerProcess

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_partitions_are_added_before_and_while_workers_run(
    impatient: Deploy,
    apache_kafka: Cluster,
    migrated_database: Database,
    ledger: Ledger,
    seed: int,
) -> None:
    deployment = await impatient(apache_kafka.bootstrap, migrated_database, idempotent=True)
    deployment.variables["KAFKA_METADATA_MAX_AGE_SECONDS"] = "1"
    traffic = Traffic(deployment, seed, count=2_000, fair=True)
    rng = random.Random(seed)
    # Older events wait in the partitions that were there, newer ones in those that were added.
    await traffic.send(rng.randint(400, 800))
    await deployment.kafka.add_partitions(deployment.completed, 6)
    await traffic.send(400)
    async with Fleet(deployment, 2) as fleet:
        async with traffic.flowing(rate=250):
            await asyncio.sleep(rng.uniform(0.3, 1.5))
            await deployment.kafka.add_partitions(deployment.completed, 9)
        assert {partition for partition, _ in traffic.places} == {*range(9)}
        assert len(traffic.scattered) > 10
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    ledger.add("partitions added", traffic, 2)


@pytest.mark.parametrize("seed", rounds(quick=0, all_in_all=4))
async def test_the_topic_comes_after_the_workers(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    await deployment.kafka.delete(deployment.completed)
    async with Fleet(deployment, 2, await_ready=False) as fleet:

        async def reported() -> bool:
            sentence = f"the topic {deployment.completed} does not exist yet"
            return [sentence in worker.said() for worker in fleet.workers] == [True, True]

        await wait_until(reported, "both workers say what they wait for")
        await create_topics(deployment.settings())
        traffic = Traffic(deployment, seed, count=1_500, fair=True)
        await traffic.send()
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    ledger.add("topic made after the workers' start", traffic, 1)


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=4))
async def test_the_relay_waits_for_its_topics(
    impatient: Deploy,
    apache_kafka: Cluster,
    migrated_database: Database,
    ledger: Ledger,
    seed: int,
) -> None:
    deployment = await impatient(apache_kafka.bootstrap, migrated_database, idempotent=True)
    deployment.variables["KAFKA_REQUEST_TIMEOUT_SECONDS"] = "2"
    traffic = Traffic(deployment, seed, count=1_500, broken_share=0.05, fair=True)
    missing = {deployment.unlocked, deployment.dead_letters}
    await deployment.kafka.delete(*missing)
    async with Fleet(deployment) as fleet:
        async with traffic.flowing(rate=500):
            while missing:
                (worker,) = fleet.workers
                topic = await wait_until(partial(_missed, worker, missing), "a topic is missed")
                await deployment.kafka.create(topic)
                missing.remove(topic)
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    ledger.add("topic of the relay missing", traffic, 2)


async def _missed(worker: WorkerProcess, topics: set[str]) -> str:
    """The topic among these that the relay waits for, or an empty text."""
    said = worker.said()
    sentence = "Kafka did not acknowledge a record of {}: Unknown"
    return next((topic for topic in topics if sentence.format(topic) in said), "")


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_deleted_records_are_told_and_the_rest_is_applied(
    impatient: Deploy,
    apache_kafka: Cluster,
    migrated_database: Database,
    ledger: Ledger,
    seed: int,
) -> None:
    deployment = await impatient(apache_kafka.bootstrap, migrated_database, idempotent=True)
    traffic = Traffic(deployment, seed, count=1_600, fair=True)
    rng = random.Random(seed)
    async with deployment.worker() as worker:
        await traffic.send(600)
        await traffic.drained()
        assert await worker.terminate() == 0, worker.said()
    committed = await deployment.kafka.committed(deployment.group, deployment.completed)
    await traffic.send(600)
    hit = rng.sample(sorted(committed), 2)
    before = {number: committed[number] + rng.randint(1, 100) for number in hit}
    await deployment.kafka.delete_records(deployment.completed, before)
    lost = traffic.forget(
        lambda number, offset: not committed[number] <= offset < before.get(number, 0)
    )
    assert lost == sum(before[number] - committed[number] for number in hit)
    async with deployment.worker() as worker:
        await traffic.send()
        assert await traffic.differences() == []
        assert await worker.metric("progress_offset_resets_total") == len(hit)
        assert {
            (line["level"], line["partition"], line["expected_offset"])
            for line in _lines(worker, "records_lost")
        } == {("error", number, committed[number]) for number in hit}
    ledger.add("records deleted before they were read", traffic, len(hit))


def _lines(worker: WorkerProcess, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in worker.said().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]
