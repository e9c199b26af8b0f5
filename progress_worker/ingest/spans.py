"""Makes spans of the steps of batches and of publishing; imported only where tracing is on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from progress_worker.ingest.batch_steps import (
    BatchDecoded,
    BatchFolded,
    BatchSaved,
    CommitTransaction,
    LearnersLoaded,
    TryBatch,
)
from progress_worker.outbox.publish_steps import Refused, Send, WriteDeadLetter
from progress_worker.telemetry.tracing import TraceOrigin, Tracing


class Spans:
    """The observer that turns steps into spans."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def around(self, step: object) -> AbstractContextManager[None]:
        """See Observer."""
        match step:
            case TryBatch(records):
                return self._tracing.batch(records)
            case CommitTransaction():
                return self._tracing.database_commit()
            case Send(pending):
                return self._tracing.send([waiting.record for waiting in pending])
            case WriteDeadLetter():
                return self._tracing.step("dead_letter")
        return nullcontext()

    def done(self, step: object) -> None:
        """See Observer."""
        match step:
            case BatchDecoded():
                self._decoded(step)
            case LearnersLoaded(seconds):
                self._tracing.stepped("load", seconds)
            case BatchFolded():
                self._folded(step)
            case BatchSaved(seconds=seconds):
                self._tracing.stepped("save", seconds)
            case Refused(error):
                self._tracing.failed(error)

    def _decoded(self, step: BatchDecoded) -> None:
        numbers = {
            "progress.events": len(step.arrivals),
            "progress.dead_letters": len(step.letters),
        }
        self._tracing.stepped("decode", step.seconds, numbers)
        self._tracing.link(
            TraceOrigin(traceparent, record.partition, record.offset)
            for record, (_, traceparent) in step.arrivals
            if traceparent is not None
        )

    def _folded(self, step: BatchFolded) -> None:
        fold = step.fold
        numbers = {
            "progress.learners": step.learners,
            "progress.unlocks": len(fold.unlocks),
        }
        numbers |= {f"progress.events.{name.value}": n for name, n in fold.outcomes.items()}
        self._tracing.stepped("fold", step.seconds, numbers)
        fold.messages = self._tracing.create(fold.messages)
