"""The worker reads every compression that producers may choose."""

from __future__ import annotations

from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from tests.harness.events import completed, wire
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_compressed_batch_is_read(shared: Deployment, compression: str) -> None:
    learner = f"{compression}-{uuid4().hex}"
    producer = AIOKafkaProducer(
        bootstrap_servers=shared.kafka.bootstrap,
        enable_idempotence=False,
        compression_type=compression,
        linger_ms=20,
    )
    async with producer:
        for _ in range(20):
            sent = wire(completed(learner))
            await producer.send(
                shared.completed, sent.value, key=sent.key, headers=list(sent.headers)
            )

    async def counted() -> bool:
        query = "SELECT count(*) FROM completion WHERE user_id = %s"
        return fetch(shared.database.owner_url, query, learner) == [(20,)]

    await wait_until(counted, f"20 completions of a {compression} batch are applied")
