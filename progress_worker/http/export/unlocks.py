"""A learner's unlocks with their explanations, as lists of the export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from progress_worker.domain.explained_history import UnlockExplanation
from progress_worker.domain.rulebook import RuleBook
from progress_worker.http.api.presentation_of_explanations import (
    Spoken,
    names_of,
    present_today,
    present_tree,
    present_unlock,
)
from progress_worker.http.api.responses_of_export import ExportedUnlock
from progress_worker.http.export.exporting import Exporting
from progress_worker.storage.read.tables import EVERY_UNLOCK
from progress_worker.storage.unlock_records import unlock_record

UNLOCK_COLUMNS: Final = (
    "id",
    "name",
    "occurrence",
    "unlocked_at",
    "local_day",
    "recorded_at",
    "generation",
    "backdated",
    "triggering_event_id",
    "trigger_still_counts",
    "measure",
    "value",
    "target",
    "rule_version",
    "rules_of_that_day",
    "sentence",
    "holds_by_rules_of_that_day",
    "holds_by_todays_rules",
)

_names_of = lru_cache(16)(names_of)


async def unlock_rows(export: Exporting) -> AsyncIterator[Sequence[ExportedUnlock]]:
    """Every unlock, oldest first, in chunks."""
    history = await export.history()
    if history is None:
        return
    own, spoken = export.stamp.book, export.spoken
    async for rows in export.rows(EVERY_UNLOCK):
        yield [_present(history.explain(unlock_record(row[:-2])), row, own, spoken) for row in rows]


def _present(found: UnlockExplanation, row: Any, own: RuleBook, spoken: Spoken) -> ExportedUnlock:
    unlock, measured = found.unlock, found.measured
    names = _names_of(own, own if measured is None else measured.subject.book, spoken.names)
    return ExportedUnlock(
        id=unlock.achievement_id,
        name=names.achievement(unlock.achievement_id),
        occurrence=unlock.occurrence,
        local_day=row.local_day,
        rule_version=unlock.rule_version,
        rules_of_that_day=found.of_that_day,
        unlock=present_unlock(unlock, still_counts=row.still_counts),
        still_holds=measured and present_today(measured.root, found.today),
        rule=measured and present_tree(measured.root, measured.days, names, spoken),
    )


def unlock_cells(row: ExportedUnlock) -> Iterable[object]:
    """What fits into a line: of the tree of the rule, the sentence of the whole."""
    unlock, measured, holds = row.unlock, row.unlock.measured, row.still_holds
    return (
        row.id,
        row.name,
        row.occurrence,
        unlock.unlocked_at,
        row.local_day,
        unlock.recorded_at,
        unlock.generation,
        unlock.backdated,
        unlock.trigger.event_id,
        unlock.trigger.still_counts,
        measured.measure,
        measured.value,
        measured.target,
        row.rule_version,
        row.rules_of_that_day,
        row.rule and row.rule.sentence,
        holds and holds.by_rules_of_that_day,
        holds and holds.by_todays_rules,
    )
