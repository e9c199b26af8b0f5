"""Removes a learner's dead letters from their topic.

Kafka deletes only the beginning of a partition. So the letters of others that stand before the
learner's last one are written again behind, byte by byte and with their timestamps, and then
everything up to the learner's last one is deleted. A crash in between leaves some letters twice.
The next run recognises them, and writes none a third time.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from progress_worker.deadletters.letters import read_letter
from progress_worker.deadletters.owners import owners
from progress_worker.deadletters.reading import DeadLetters
from progress_worker.errors import TransientError
from progress_worker.kafka.clients import client_options, running_producer
from progress_worker.settings.kafka import KafkaSettings

_CHUNK: Final = 200
_DIGEST_BYTES: Final = 16


@dataclass(slots=True)
class Purged:
    """What became of the letters.

    `removed` counts the learner's, by reason; `rewritten` those of others that were written again.
    `untold` are the places of letters of which neither key nor value tells whose they are.
    """

    removed: Counter[str] = field(default_factory=Counter)
    rewritten: int = 0
    untold: list[str] = field(default_factory=list)


class Purge:
    """One run over a dead-letter topic. Letters that come meanwhile stay."""

    def __init__(
        self, settings: KafkaSettings, dead_letters: DeadLetters, user_id: str, *, dry_run: bool
    ) -> None:
        """A dry run writes and deletes nothing."""
        self.result = Purged()
        self._settings = settings
        self._dead_letters = dead_letters
        self._user_id = user_id
        self._dry_run = dry_run
        #: By partition: what is deleted ends here, after the learner's last letter.
        self._cuts: dict[int, int] = {}
        #: The letters that need not be written again, since the same stands behind the cut.
        self._behind: dict[int, set[bytes]] = {}

    async def run(self, seen: Callable[[], None] = lambda: None) -> Purged:
        """Remove the learner's letters. Calls `seen` for every letter that is read.

        Raises TransientError if Kafka does not carry it out. Every letter of another learner is
        still there then, some of them perhaps twice.
        """
        await self._look(seen)
        if self._cuts and not self._dry_run:
            await self._check_that_kafka_deletes()
            try:
                async with running_producer(self._settings) as producer:
                    await self._rewrite(producer)
                await self._dead_letters.commit()
                await self._delete(self._cuts)
            except (KafkaError, TimeoutError, OSError) as error:
                raise TransientError(
                    f"Kafka did not carry it out ({type(error).__name__}): run it again."
                ) from error
        return self.result

    async def _check_that_kafka_deletes(self) -> None:
        """Ask to delete what is before the first record, so that nothing is written in vain."""
        try:
            await self._delete(dict.fromkeys(self._cuts, 0))
        except (KafkaError, TimeoutError, OSError) as error:
            raise TransientError(
                f"Kafka does not delete records of {self._dead_letters.topic} "
                f"({type(error).__name__}): nothing was changed. The user needs Delete on the topic"
            ) from error

    async def _look(self, seen: Callable[[], None]) -> None:
        places: dict[int, dict[bytes, int]] = {}
        async for record in self._dead_letters.records():
            seen()
            named = owners(record)
            if self._user_id in named:
                self.result.removed[read_letter(record).reason] += 1
                self._cuts[record.partition] = record.offset + 1
                continue
            if not named:
                self.result.untold.append(read_letter(record).place)
            places.setdefault(record.partition, {})[_digest(record)] = record.offset
        for partition, cut in self._cuts.items():
            last = places.get(partition, {})
            self._behind[partition] = {each for each, offset in last.items() if offset >= cut}

    async def _to_rewrite(self) -> AsyncIterator[ConsumerRecord]:
        async for record in self._dead_letters.records():
            if record.offset >= self._cuts.get(record.partition, 0):
                continue
            if self._user_id in owners(record):
                continue
            digest, behind = _digest(record), self._behind[record.partition]
            if digest not in behind:
                behind.add(digest)
                yield record

    async def _rewrite(self, producer: AIOKafkaProducer) -> None:
        chunk: list[ConsumerRecord] = []
        async for record in self._to_rewrite():
            chunk.append(record)
            if len(chunk) == _CHUNK:
                await self._send(producer, chunk)
                chunk = []
        await self._send(producer, chunk)

    async def _send(self, producer: AIOKafkaProducer, chunk: list[ConsumerRecord]) -> None:
        """Write letters again. One that was sent back before is marked so in its new place."""
        async with asyncio.timeout(2 * self._settings.kafka_request_timeout_seconds):
            places = await asyncio.gather(
                *[
                    await producer.send(
                        self._dead_letters.topic,
                        record.value,
                        key=record.key,
                        partition=record.partition,
                        timestamp_ms=record.timestamp,
                        headers=list(record.headers),
                    )
                    for record in chunk
                ]
            )
        for record, place in zip(chunk, places, strict=True):
            marks = self._dead_letters.marks[record.partition]
            if record.offset in marks:
                marks.add(place.offset)
        self.result.rewritten += len(chunk)

    async def _delete(self, ends: Mapping[int, int]) -> None:
        """Delete what is before an offset of each partition."""
        topic = self._dead_letters.topic
        before = {
            TopicPartition(topic, number): RecordsToDelete(end) for number, end in ends.items()
        }
        admin = AIOKafkaAdminClient(**client_options(self._settings))
        try:
            async with asyncio.timeout(2 * self._settings.kafka_request_timeout_seconds):
                await admin.start()
                await admin.delete_records(before)
        finally:
            await admin.close()


def _digest(record: ConsumerRecord) -> bytes:
    """The same for letters of the same bytes."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    parts = [record.key, record.value]
    for name, content in record.headers:
        parts += [name.encode(errors="surrogateescape"), content]
    for part in parts:
        size = -1 if part is None else len(part)
        digest.update(size.to_bytes(8, signed=True) + (part or b""))
    return digest.digest()
