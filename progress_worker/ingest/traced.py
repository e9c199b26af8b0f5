"""Parts of the worker as they are where tracing is on; what they extend knows nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from progress_worker.ingest.folding import Arrival, Fold
from progress_worker.ingest.projector import Projector
from progress_worker.outbox.messages import DeadLetter, Record
from progress_worker.outbox.sending import SendResult, send
from progress_worker.storage.database import Connection
from progress_worker.storage.write.learners import Loaded
from progress_worker.storage.write.outbox import PendingRecord
from progress_worker.telemetry.tracing import TraceOrigin, Tracing, fail

#: The steps of which no method tells more than how long they took.
_TIMED = {"load", "save"}


class TracedProjector(Projector):
    """A projector with a span for each batch, for its steps, and for each unlock."""

    def __init__(self, tracing: Tracing, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tracing = tracing

    async def apply(self, records: Sequence[Record]) -> None:
        """See Projector."""
        with self._tracing.batch(len(records)):
            await super().apply(records)

    def _decode(self, records: Sequence[Record]) -> tuple[list[Arrival], list[DeadLetter]]:
        with self._tracing.step("decode") as span:
            arrivals, letters = super()._decode(records)
            span.set_attribute("progress.events", len(arrivals))
            span.set_attribute("progress.dead_letters", len(letters))
        self._tracing.link(
            TraceOrigin(traceparent, record.partition, record.offset)
            for record, (_, traceparent) in arrivals
            if traceparent is not None
        )
        return arrivals, letters

    def _fold(self, arrivals: Sequence[Arrival], loaded: Loaded) -> Fold:
        with self._tracing.step("fold") as span:
            fold = super()._fold(arrivals, loaded)
            span.set_attribute("progress.learners", len(loaded.learners))
            span.set_attribute("progress.unlocks", len(fold.unlocks))
            for outcome, count in fold.outcomes.items():
                span.set_attribute(f"progress.events.{outcome.value}", count)
        fold.messages = self._tracing.create(fold.messages)
        return fold

    async def _settle(self, connection: Connection, loaded: Loaded) -> None:
        with self._tracing.database_commit():
            await super()._settle(connection, loaded)
        self._tracing.committed()

    def _observe(self, step: str, started: float) -> float:
        now = super()._observe(step, started)
        if step in _TIMED:
            self._tracing.stepped(step, now - started)
        return now


async def send_traced(
    tracing: Tracing, producer: AIOKafkaProducer, pending: Sequence[PendingRecord]
) -> list[SendResult]:
    """Send as `sending.send` does, in a span."""
    with tracing.send([waiting.record for waiting in pending]) as span:
        outcomes = await send(producer, pending)
        if error := next((error for _, error in outcomes if error is not None), None):
            fail(span, error)
    return outcomes
