"""Watches whether Kafka answers, for every part of the worker with a request of its client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from mode import Service

from progress_worker.kafka.contact import ask
from progress_worker.runtime.service import WorkerService
from progress_worker.settings.kafka import KafkaSettings
from progress_worker.telemetry.outages import Outage

_ASK_SECONDS: Final = 5.0
#: A silence of Kafka is reported after this time, even if the clients wait longer.
_MAX_SILENCE_SECONDS: Final = 30.0


class KafkaContact:
    """Whether one part of the worker waits for an answer of Kafka, and since when."""

    def __init__(self, part: str, settings: KafkaSettings) -> None:
        self._part = part
        self._limit = min(settings.kafka_request_timeout_seconds, _MAX_SILENCE_SECONDS)
        self._outage = Outage("kafka_silent", part=part)
        self._asked_at: float | None = None
        self._steady_since = time.monotonic()

    @property
    def part(self) -> str:
        """The part's name, as in metrics and logs."""
        return self._part

    @property
    def silent(self) -> bool:
        """Whether a request has waited for longer than Kafka may take."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > self._limit

    @property
    def steady_seconds(self) -> float:
        """For how long no request has failed."""
        return time.monotonic() - self._steady_since

    def asked(self) -> None:
        """Note that the part now waits for Kafka, if it did not already."""
        self._asked_at = time.monotonic() if self._asked_at is None else self._asked_at

    def failed(self, error: BaseException) -> None:
        """Note that the request failed and will be repeated."""
        self.asked()
        self._steady_since = time.monotonic()
        self._outage.met(type(error).__name__)

    def settled(self) -> None:
        """Note that Kafka answered, or that the part has nothing to ask."""
        self._asked_at = None
        self._outage.over()


class KafkaWatch(WorkerService):
    """Asks Kafka every few seconds with the client of each part, if the part has one."""

    def __init__(
        self,
        settings: KafkaSettings,
        clients: Mapping[KafkaContact, Callable[[], AIOKafkaClient | None]],
    ) -> None:
        super().__init__()
        self._clients = clients
        # Longer than the clients' own limits, which also end a connection that is dead.
        self._time_limit = 3 * settings.kafka_request_timeout_seconds

    @Service.task
    async def _main(self) -> None:
        await asyncio.gather(*(self._watch(*watched) for watched in self._clients.items()))

    async def _watch(
        self, contact: KafkaContact, current: Callable[[], AIOKafkaClient | None]
    ) -> None:
        while not self.should_stop:
            client = current()
            if client is not None and client.cluster.brokers():
                contact.asked()
                try:
                    async with asyncio.timeout(self._time_limit):
                        await ask(client)
                except (KafkaError, TimeoutError) as error:
                    # The error of a client that was closed meanwhile says nothing about Kafka.
                    if current() is client and not self.should_stop:
                        contact.failed(error)
                else:
                    contact.settled()
            await self.sleep(_ASK_SECONDS)
