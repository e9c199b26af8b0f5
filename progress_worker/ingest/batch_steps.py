"""The steps of a batch that observers get; every time is in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from progress_worker.ingest.folding import Arrival, Fold
from progress_worker.outbox.messages import DeadLetter


class TryBatch(NamedTuple):
    """Surrounds one try of a batch; `records` is how many it has."""

    records: int


class BatchDecoded(NamedTuple):
    """The records were read; `letters` are those that cannot be."""

    arrivals: Sequence[Arrival]
    letters: Sequence[DeadLetter]
    seconds: float


class LearnersLoaded(NamedTuple):
    """The learners that the transaction concerns were loaded."""

    seconds: float


class BatchFolded(NamedTuple):
    """The rules were applied. An observer may give the fold's messages a trace context."""

    fold: Fold
    learners: int
    seconds: float


class CommitTransaction(NamedTuple):
    """Surrounds the commit in Postgres."""


class BatchSaved(NamedTuple):
    """The changes were written and committed; the fold holds the dead letters too."""

    arrivals: Sequence[Arrival]
    fold: Fold
    seconds: float


class OffsetsCommitted(NamedTuple):
    """The offsets up to which the partitions are applied were committed."""

    seconds: float
