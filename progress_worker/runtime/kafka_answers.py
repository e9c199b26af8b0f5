"""Whether Kafka answers: every part of the worker is watched by a question of its own client."""

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

_ASK_SECONDS: Final = 2.0
#: However patient the clients are, nobody on call waits longer than this to hear of it.
_MAX_SILENCE_SECONDS: Final = 30.0


class KafkaContact:
    """Whether Kafka keeps one part of the worker waiting for an answer, and since when."""

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
        """Whether a question has waited for longer than Kafka may take."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > self._limit

    @property
    def steady_seconds(self) -> float:
        """For how long no question has failed."""
        return time.monotonic() - self._steady_since

    def asked(self) -> None:
        """The part waits for Kafka from now on, if it did not already."""
        self._asked_at = time.monotonic() if self._asked_at is None else self._asked_at

    def failed(self, error: BaseException) -> None:
        """The question has no answer, and will be asked again."""
        self.asked()
        self._steady_since = time.monotonic()
        self._outage.met(type(error).__name__)

    def settled(self) -> None:
        """Kafka answered, or the part has nothing to ask."""
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
                    # A client that was closed meanwhile says nothing of Kafka.
                    if current() is client and not self.should_stop:
                        contact.failed(error)
                else:
                    contact.settled()
            await self.sleep(_ASK_SECONDS)
