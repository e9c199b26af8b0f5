"""Measures how far partitions are behind what Kafka lets us read.

Kafka lets a consumer read up to the last stable offset: nothing of an open transaction, and nothing
after the first record of one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition

from progress_worker.telemetry.ages import age
from progress_worker.telemetry.metrics import Metrics


def next_offset(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """The offset that the consumer reads next; None while the consumer does not know it.

    The consumer's own `position` would wait. The next offset may be higher than that of the last
    record plus one: control records, and records that compaction or deletion removed, are skipped.
    """
    state = consumer._subscription.subscription.assignment.state_value(partition)
    return int(state.position) if state.has_valid_position else None


class Lag:
    """The lag of some partitions since they were assigned."""

    def __init__(self, metrics: Metrics, partitions: Iterable[TopicPartition]) -> None:
        self._metrics = metrics
        now = time.time()
        #: No record that waits is older than this, as far as is known.
        self._since = dict.fromkeys(partitions, now)
        #: Where Kafka withholds records: the last stable offset, and since when it stands there.
        self._withheld: dict[TopicPartition, tuple[int, float]] = {}

    def reached(self, partition: TopicPartition, timestamp: int) -> None:
        """Note the timestamp (ms) of a record that was reached; it may not be a real time."""
        if age(timestamp / 1000, time.time()) is not None:
            self._since[partition] = timestamp / 1000

    def observe(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, position: int | None
    ) -> None:
        """Set the metrics; `position` is the next offset to apply, None while it is unknown.

        Until Kafka has answered the first fetch, the number of waiting records is unknown too. The
        seconds then count from the assignment, so that you see if Kafka does not answer.
        """
        place, now = (partition.topic, str(partition.partition)), time.time()
        stable: int | None = consumer.last_stable_offset(partition)
        if stable is not None and position is not None:
            waiting = max(0, stable - position)
            self._metrics.lag_events.labels(*place).set(waiting)
            self._metrics.withheld_seconds.labels(*place).set(
                self._withheld_seconds(partition, stable, consumer.highwater(partition), now)
            )
            if not waiting:
                self._since[partition] = now
        behind = max(0.0, now - self._since[partition])
        self._metrics.lag_seconds.labels(*place).set(behind)

    def _withheld_seconds(
        self, partition: TopicPartition, stable: int, end: int, now: float
    ) -> float:
        """How long the last stable offset has stood still before the partition's end."""
        if end <= stable:
            self._withheld.pop(partition, None)
            return 0.0
        stands_at, since = self._withheld.get(partition, (stable, now))
        if stands_at != stable:
            since = now
        self._withheld[partition] = (stable, since)
        return max(0.0, now - since)
