"""A stream of nothing but broken records, of every reason that a producer can cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle

from progress_worker.generator.broken import SPOILS
from progress_worker.generator.generator import GeneratedRecord, Kind
from progress_worker.generator.wire import binary


def broken(good: Iterable[GeneratedRecord]) -> Iterator[GeneratedRecord]:
    """The same events, each broken on its way."""
    for record, (reason, spoil) in zip(good, cycle(SPOILS), strict=False):
        completion = record.completion
        assert completion is not None
        event_id = str(completion.event_id)
        wire = spoil(binary(completion, completion.completed_at, event_id, event_id))
        yield GeneratedRecord(*wire, Kind.BROKEN, None, reason)
