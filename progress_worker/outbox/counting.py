"""Counts what is published and what is dead-lettered."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence

import structlog

from progress_worker.outbox.messages import DeadLetter
from progress_worker.outbox.publish_steps import DeadLetterWritten, Published
from progress_worker.storage.write.outbox import PendingRecord
from progress_worker.telemetry.ages import ages
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.observer import DoneObserver

_log = structlog.get_logger()


class OutboxMetrics(DoneObserver):
    """The observer that counts what leaves through the outbox."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def done(self, step: object) -> None:
        """See Observer."""
        match step:
            case Published(records):
                self._count(records)
            case DeadLetterWritten(letter):
                report_dead_letters(self._metrics, [letter])

    def _count(self, records: Sequence[PendingRecord]) -> None:
        now = time.time()
        begun: dict[str, list[float]] = defaultdict(list)
        for published in records:
            begun[published.record.topic].append(published.created_at.timestamp())
        for topic, moments in begun.items():
            self._metrics.published.labels(topic).inc(len(moments))
            self._metrics.publish_latency.labels(topic).observe_all(ages(moments, now))


def report_dead_letters(metrics: Metrics, letters: Sequence[DeadLetter]) -> None:
    """Count committed letters, and log one line for each topic and reason.

    A flood of broken records must not become a flood in the log.
    """
    kinds = [(letter.record.topic, letter.error.reason) for letter in letters]
    firsts = dict(zip(reversed(kinds), reversed(letters), strict=True))
    for (topic, reason), count in Counter(kinds).items():
        record, error, _ = firsts[topic, reason]
        metrics.dead_letters.labels(topic, reason.value).inc(count)
        _log.warning(
            "dead_lettered",
            reason=reason.value,
            count=count,
            topic=topic,
            partition=record.partition,
            offset=record.offset,
            message=str(error),
        )
