"""Measures the steps of batches, and counts what they did."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from progress_worker.ingest.batch_steps import (
    BatchDecoded,
    BatchFolded,
    BatchSaved,
    LearnersLoaded,
    OffsetsCommitted,
)
from progress_worker.ingest.folding import Arrival, Fold
from progress_worker.outbox.counting import report_dead_letters
from progress_worker.telemetry.ages import ages
from progress_worker.telemetry.metrics import Metrics
from progress_worker.telemetry.observer import DoneObserver


class BatchMetrics(DoneObserver):
    """The observer that turns the steps of batches into metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def done(self, step: object) -> None:
        """See Observer."""
        match step:
            case BatchDecoded(arrivals, letters, seconds):
                self._metrics.batch_events.observe(len(arrivals) + len(letters))
                self._took("decode", seconds)
            case LearnersLoaded(seconds):
                self._took("load", seconds)
            case BatchFolded(seconds=seconds):
                self._took("fold", seconds)
            case BatchSaved(arrivals, fold, seconds):
                self._took("save", seconds)
                self._count(arrivals, fold)
            case OffsetsCommitted(seconds):
                self._took("commit", seconds)

    def _took(self, step: str, seconds: float) -> None:
        self._metrics.batch_seconds.labels(step).observe(seconds)

    def _count(self, arrivals: Sequence[Arrival], fold: Fold) -> None:
        now, metrics = time.time(), self._metrics
        metrics.last_progress.set(now)
        for outcome, count in fold.outcomes.items():
            metrics.events.labels(outcome.value).inc(count)
        metrics.commit_latency.observe_all(
            ages([decoded.completion.completed_at.timestamp() for _, decoded in arrivals], now)
        )
        for name, count in Counter(unlock.achievement.id for unlock in fold.unlocks).items():
            metrics.unlocks.labels(name).inc(count)
        for loss in fold.losses:
            metrics.losses.labels(loss.achievement.id, loss.reason).inc()
        metrics.unlock_commit_latency.observe_all(
            ages([timestamp / 1000 for timestamp in fold.unlocked_by], now)
        )
        metrics.events.labels("dead_lettered").inc(len(fold.letters))
        report_dead_letters(metrics, fold.letters)
