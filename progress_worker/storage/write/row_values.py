"""The rows of learners and unlocks, as a save writes them."""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from progress_worker.domain.evidence import parts_of
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.state import LearnerState
from progress_worker.storage.days import format_runs
from progress_worker.storage.write.bulk import Row

_NOTHING_NAMED: Final = (None, None, None)


def learner_row(state: LearnerState) -> Row:
    """The row of `LEARNER`."""
    named_at, named_by, _ = state.zone or state.offset or _NOTHING_NAMED
    hour_at, hour_by, hour = state.day_start or _NOTHING_NAMED
    return (
        state.user_id,
        state.version,
        format_runs(state.active_days.runs),
        state.zone[2] if state.zone else None,
        named_at,
        named_by,
        to_json(state.counters).decode(),
        state.rule_book,
        state.offset[2] if state.offset and not state.zone else None,
        hour,
        hour_at,
        hour_by,
        state.least_day_offset,
        state.most_day_offset,
        to_json(state.lost).decode() if state.lost else None,
        state.erased_until,
        state.gamification if state.is_quiet else None,
    )


def unlock_row(unlock: Unlock, version: int) -> Row:
    """The row of `UNLOCK`, written by that version of the learner."""
    trigger = unlock.trigger
    return (
        unlock.user_id,
        unlock.achievement.id,
        trigger.completed_at,
        trigger.local_day,
        trigger.event_id,
        unlock.rule_version,
        unlock.progress.measure,
        unlock.progress.current,
        unlock.progress.target,
        unlock.backdated,
        version,
        unlock.occurrence,
        unlock.generation,
        to_json(parts_of(unlock.progress)).decode() if unlock.progress.parts else None,
        unlock.rules_digest,
    )
