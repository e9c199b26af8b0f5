"""Sends dead letters back to the topic that they came from, and marks them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from progress_worker.deadletters.letters import Letter, Origin, Selection
from progress_worker.deadletters.reading import DeadLetters
from progress_worker.errors import TransientError
from progress_worker.kafka.clients import running_producer
from progress_worker.kafka.topics import partition_counts
from progress_worker.settings.kafka import KafkaSettings

_CHUNK: Final = 200


@dataclass(slots=True)
class Redriven:
    """Counts records: sent by this run, sent before, or from no topic of this deployment."""

    sent: Counter[str] = field(default_factory=Counter)
    before: int = 0
    homeless: int = 0


class Redrive:
    """One run over the dead letters."""

    def __init__(
        self,
        settings: KafkaSettings,
        dead_letters: DeadLetters,
        selection: Selection,
        *,
        again: bool = False,
        dry_run: bool = False,
    ) -> None:
        """`again` also sends those that were sent before. A dry run sends and marks nothing."""
        self.result = Redriven()
        self._settings = settings
        self._dead_letters = dead_letters
        self._selection = selection
        self._again = again
        self._dry_run = dry_run

    async def run(self, seen: Callable[[], None] = lambda: None) -> Redriven:
        """Send the selected dead letters in chunks. Mark a chunk once Kafka acknowledged all of it.

        Calls `seen` for every dead letter that it reads. Raises TransientError if Kafka does not
        acknowledge in time. What was marked until then stays marked, and the next run may send
        the last chunk again.
        """
        try:
            async with running_producer(self._settings) as producer:
                await self._send_all(producer, seen)
        except (KafkaError, TimeoutError, OSError) as error:
            raise TransientError(
                f"Kafka did not acknowledge the records: {type(error).__name__}."
            ) from error
        return self.result

    async def _send_all(self, producer: AIOKafkaProducer, seen: Callable[[], None]) -> None:
        partitions = await partition_counts(self._settings)
        chunk: list[Letter] = []
        async for letter in self._dead_letters.letters():
            seen()
            if self._selection.holds(letter) and self._due(letter):
                chunk.append(letter)
            if len(chunk) == _CHUNK:
                await self._send(producer, chunk, partitions)
                chunk = []
        await self._send(producer, chunk, partitions)

    def _due(self, letter: Letter) -> bool:
        # Only the deployment's own topics: a header must not decide to write anywhere else.
        ours = {self._settings.completed_topic, self._settings.commands_topic}
        if letter.origin is None or letter.origin.topic not in ours:
            self.result.homeless += 1
            return False
        if letter.offset in self._dead_letters.marks[letter.partition] and not self._again:
            self.result.before += 1
            return False
        return True

    async def _send(
        self, producer: AIOKafkaProducer, chunk: Sequence[Letter], partitions: dict[str, int]
    ) -> None:
        self.result.sent.update(letter.reason for letter in chunk)
        if self._dry_run or not chunk:
            return
        async with asyncio.timeout(2 * self._settings.kafka_request_timeout_seconds):
            await asyncio.gather(
                *[
                    await producer.send(
                        letter.origin.topic,
                        letter.value,
                        key=letter.key,
                        partition=_partition(letter.origin, partitions),
                        headers=list(letter.headers),
                    )
                    for letter in chunk
                    if letter.origin is not None
                ]
            )
        for letter in chunk:
            self._dead_letters.marks[letter.partition].add(letter.offset)
        await self._dead_letters.commit()


def _partition(origin: Origin, partitions: dict[str, int]) -> int | None:
    """The record's original partition. None, so that the key decides, if it no longer exists."""
    return origin.partition if origin.partition < partitions.get(origin.topic, 0) else None
