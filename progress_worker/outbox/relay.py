"""The relay: publishes what waits in the outbox and deletes what Kafka acknowledged.

One relay works at a time, so records of one key keep their order. It holds an advisory lock of its
database session; the others wait to take over. Each record is published at least once. A record
that Kafka refuses for good is held back (column `parked`). After any other failure the relay waits
and tries again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import psycopg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from mode import Service
from sqlalchemy.ext.asyncio import AsyncEngine

from progress_worker.errors import TransientError
from progress_worker.kafka.clients import running_producer
from progress_worker.outbox.publish_steps import Published, Refused, Send
from progress_worker.outbox.sending import REFUSED, SendResult, send
from progress_worker.runtime.kafka_answers import KafkaContact
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.runtime.service import WorkerService
from progress_worker.settings.worker import Settings
from progress_worker.storage.database import Connection, connect, translate
from progress_worker.storage.write import outbox
from progress_worker.storage.write.outbox import PendingRecord
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.observer import Observer
from progress_worker.telemetry.outages import Outage

_log = structlog.get_logger()

#: The advisory lock that makes one relay the only one; any number that nobody else uses.
_RELAY_LOCK: Final = 7_281_936_402
_TRY_LOCK: Final = "SELECT pg_try_advisory_lock(%s), current_setting('transaction_read_only')"
_FOLLOWER_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 10.0


class RelayService(WorkerService):
    """Publishes the outbox whenever this process holds the relay's lock."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        retry: RetryPolicy,
        metrics: Metrics,
        observer: Observer,
        filled: asyncio.Event,
    ) -> None:
        """`filled` is set when this process has committed records; others announce theirs."""
        super().__init__()
        self.kafka = KafkaContact("relay", settings)
        self._client: AIOKafkaClient | None = None
        self._outage = Outage("transient_failure", part="relay")
        self._settings = settings
        self._engine = engine
        self._retry = retry
        self._metrics = metrics
        self._observer = observer
        self._filled = filled
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    @property
    def client(self) -> AIOKafkaClient | None:
        """The producer's Kafka client while it publishes."""
        return self._client

    async def on_stop(self) -> None:
        """Wait for the drain timeout until what was sent is acknowledged and deleted."""
        try:
            async with asyncio.timeout(self._settings.drain_timeout_seconds):
                await self._at_rest.wait()
        except TimeoutError:
            _log.warning("publishing_abandoned")

    @Service.task
    async def _main(self) -> None:
        while not self.should_stop:
            await self._retry.run("relay", self._lead, outage=self._outage)

    async def _lead(self) -> None:
        """Wait for the lock, then publish until the stop, a lost session or a failed send."""
        try:
            async with connect(self._engine) as connection:
                await connection.set_autocommit(True)
                while not self.should_stop and not await _lock(connection):
                    self._rest()
                    await self._announce(connection)
                if not self.should_stop:
                    self._at_rest.clear()
                    await self._publish_all(connection)
        except psycopg.Error as error:
            self.kafka.settled()
            raise translate(error) from error
        except (KafkaError, TimeoutError, OSError) as error:
            self.kafka.failed(error)
            raise TransientError(f"Kafka did not acknowledge: {type(error).__name__}") from error
        finally:
            self._metrics.relay_leader.set(0)
            self._at_rest.set()

    async def _publish_all(self, connection: Connection) -> None:
        self._metrics.relay_leader.set(1)
        await outbox.listen(connection, self._filled)
        if not self._outage.lasting:
            _log.info("relay_leading")
        self.kafka.asked()
        # A new producer for each time that it leads: one that has failed may be stuck.
        async with running_producer(self._settings) as producer:
            self._client = producer.client
            try:
                await self._publish_until_stop(producer, connection)
            finally:
                self._client = None
        await connection.execute("SELECT pg_advisory_unlock(%s)", [_RELAY_LOCK])

    async def _publish_until_stop(self, producer: AIOKafkaProducer, connection: Connection) -> None:
        limit = self._settings.outbox_batch
        while not self.should_stop:
            self._filled.clear()
            pending = await outbox.next_records(connection, limit)
            await self._publish(producer, connection, pending)
            self._outage.over()
            if len(pending) < limit:
                with outbox.woken(connection, self._filled):
                    await self.wait(self._filled.wait(), timeout=self._settings.outbox_poll_seconds)

    async def _announce(self, connection: Connection) -> None:
        """Wait for a second; tell the relay that leads when this process commits records."""
        until = time.monotonic() + _FOLLOWER_SECONDS
        while not self.should_stop and (left := until - time.monotonic()) > 0:
            await self.wait(self._filled.wait(), timeout=left)
            if self._filled.is_set():
                self._filled.clear()
                await outbox.announce(connection)

    def _rest(self) -> None:
        """Forget this relay's failures while another worker publishes."""
        self.kafka.settled()
        self._outage.over()

    async def _publish(
        self, producer: AIOKafkaProducer, connection: Connection, pending: Sequence[PendingRecord]
    ) -> None:
        """Send all, then delete those that were acknowledged, even if others failed.

        Raises the first failure that may pass.
        """
        if not pending:
            return
        outcomes = await self._send(producer, pending)
        acknowledged = [waiting for waiting, error in outcomes if error is None]
        if acknowledged:
            await outbox.delete(connection, [waiting.id for waiting in acknowledged])
            self._observer.done(Published(acknowledged))
        for waiting, error in outcomes:
            if isinstance(error, REFUSED):
                _log.error("record_parked", id=waiting.id, error=type(error).__name__)
                await outbox.hold_back(connection, waiting.id, type(error).__name__)
            elif error is not None:
                raise TransientError(
                    f"Kafka did not acknowledge a record of {waiting.record.topic}: "
                    f"{type(error).__name__}"
                ) from error

    async def _send(
        self, producer: AIOKafkaProducer, pending: Sequence[PendingRecord]
    ) -> Sequence[SendResult]:
        with self._observer.around(Send(pending)):
            async with asyncio.timeout(self._settings.kafka_request_timeout_seconds * 2):
                outcomes = await send(producer, pending)
            if error := next((error for _, error in outcomes if error is not None), None):
                self._observer.done(Refused(error))
        return outcomes


async def _lock(connection: Connection) -> bool:
    """Whether this session has the lock.

    Raises TransientError if Postgres is read-only, as a standby is: records could not be deleted
    there, and would be sent again and again.
    """
    row = await (await connection.execute(_TRY_LOCK, [_RELAY_LOCK])).fetchone()
    if row is None:
        raise RuntimeError("a query without a table gave no row")
    locked, read_only = row
    if read_only == "on":
        raise TransientError("Postgres only reads, so nothing is published")
    return bool(locked)
