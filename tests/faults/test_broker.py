"""Kafka goes away, hangs and comes back while events flow; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness.apache_kafka import Cluster
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.proxied import AdvertisedBroker
from tests.harness.proxy import Proxy
from tests.harness.traffic import Traffic

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", rounds(quick=0, all_in_all=5))
async def test_a_bad_connection(
    impatient: Deploy, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    proxy = Proxy()
    with AdvertisedBroker(proxy.port) as broker:
        proxy.target_port = broker.port
        async with proxy:
            deployment = await impatient(proxy.address, migrated_database)
            traffic = Traffic(deployment, seed, fair=True)
            rng = random.Random(seed)
            faults: list[tuple[Callable[[], None], float]] = [
                (proxy.cut, 0),
                (proxy.cut, 2),
                (proxy.stall, 1),
                (proxy.stall, 7),
                (lambda: proxy.slow(0.1), 4),
            ]
            rng.shuffle(faults)
            async with Fleet(deployment, 2):
                async with traffic.flowing(rate=250):
                    for fault, seconds in faults:
                        await asyncio.sleep(rng.uniform(0.3, 1))
                        fault()
                        await asyncio.sleep(seconds)
                        proxy.restore()
                assert await traffic.differences() == []
            ledger.add("connection to Kafka cut, stalled, slowed", traffic, len(faults))


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_the_only_broker_restarts_and_crashes(
    impatient: Deploy,
    fragile_kafka: Cluster,
    migrated_database: Database,
    ledger: Ledger,
    seed: int,
) -> None:
    deployment = await impatient(fragile_kafka.bootstrap, migrated_database, idempotent=True)
    traffic = Traffic(deployment, seed, fair=True)
    rng = random.Random(seed)
    (node,) = fragile_kafka.nodes
    endings = [node.stop, node.kill]
    rng.shuffle(endings)
    async with Fleet(deployment, 2):
        async with traffic.flowing(rate=250):
            for end in endings:
                await asyncio.sleep(rng.uniform(1, 3))
                await asyncio.to_thread(end)
                await asyncio.sleep(rng.uniform(0, 3))
                await asyncio.to_thread(node.start)
        assert await traffic.differences() == []
    ledger.add("the only broker restarted and killed", traffic, len(endings))


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(4))
async def test_one_of_three_brokers_restarts_and_crashes(
    impatient: Deploy,
    three_brokers: Cluster,
    migrated_database: Database,
    ledger: Ledger,
    seed: int,
) -> None:
    deployment = await impatient(
        three_brokers.bootstrap, migrated_database, idempotent=True, replication=3
    )
    traffic = Traffic(deployment, seed, count=6_000, fair=True)
    rng = random.Random(seed)
    async with Fleet(deployment, 2):
        async with traffic.flowing(rate=250):
            for _ in range(3):
                node = rng.choice(three_brokers.nodes)
                await asyncio.sleep(rng.uniform(1, 3))
                await asyncio.to_thread(rng.choice([node.stop, node.kill]))
                await asyncio.sleep(rng.uniform(2, 5))
                await asyncio.to_thread(node.start)
        assert await traffic.differences() == []
    ledger.add("one of three brokers restarted or killed", traffic, 3)
