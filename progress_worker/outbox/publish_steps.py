"""The steps of publishing that observers get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.errors import KafkaError

from progress_worker.outbox.messages import DeadLetter
from progress_worker.storage.write.outbox import PendingRecord


class WriteDeadLetter(NamedTuple):
    """Surrounds the transaction that writes a dead letter on its own."""


class DeadLetterWritten(NamedTuple):
    """A dead letter was committed on its own."""

    letter: DeadLetter


class Send(NamedTuple):
    """Surrounds a send to Kafka; it raises if Kafka does not acknowledge in time."""

    pending: Sequence[PendingRecord]


class Refused(NamedTuple):
    """Kafka answered the send that is under way; this is the first error of its records."""

    error: KafkaError


class Published(NamedTuple):
    """Kafka has acknowledged these records, and they are deleted from the outbox."""

    records: Sequence[PendingRecord]
