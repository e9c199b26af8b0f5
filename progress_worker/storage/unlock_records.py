"""Unlocks as they are stored, for explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from progress_worker.domain.evidence import read_parts
from progress_worker.domain.explain import UnlockRecord
from progress_worker.domain.rules import Progress
from progress_worker.storage.rows import Rows
from progress_worker.storage.schema.tables import achievement_unlock

#: The columns that `unlock_record` reads, in its order.
UNLOCK_RECORD: Final = Rows(
    achievement_unlock,
    (
        "achievement_id",
        "occurrence",
        "generation",
        "unlocked_at",
        "recorded_at",
        "triggering_event_id",
        "measure",
        "value",
        "target",
        "evidence",
        "rule_version",
        "rules_digest",
        "backdated",
        "learner_version",
    ),
)


def unlock_record(row: Sequence[Any]) -> UnlockRecord:
    """The unlock of a row."""
    *first, measure, value, target, parts, version, digest, backdated, learner_version = row
    progress = Progress(measure, value, target, read_parts(parts))
    fields = (*first, progress, version, digest, backdated, learner_version)
    return UnlockRecord._make(fields)
