"""Faust's Kafka transport for an app that reads committed records only.

Faust 0.15 has no setting for it. Its consumers read committed records only if its producer writes
in transactions. Otherwise they read aborted records too. It has none either for how often an idle
consumer wakes up.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from faust.transport.drivers import aiokafka as driver

from progress_worker.kafka.clients import LOOK_SECONDS, READ_COMMITTED


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_consumer(self, loop: AbstractEventLoop) -> AIOKafkaConsumer:
        consumer = super()._create_consumer(loop)
        # The client's start creates the fetcher with these.
        consumer._isolation_level = READ_COMMITTED
        consumer._consumer_timeout = LOOK_SECONDS
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):
    """The transport whose consumers see no record of an open or aborted transaction."""

    Consumer = _Consumer


def commands_client(app: faust.App) -> AIOKafkaClient | None:
    """The Kafka client of Faust's consumer, which has its own thread; None until it runs."""
    faust_consumer: Any = app._consumer
    consumer = faust_consumer and faust_consumer._thread._consumer
    return consumer._client if consumer else None
