"""The learner's zone: that of the latest completion that names one and counts."""

from __future__ import annotations

from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState


def name_zone(state: LearnerState, completion: Completion) -> None:
    """Apply a new completion to the zone: the latest one that names a zone decides."""
    timezone, zone = completion.timezone, state.zone
    if timezone is None or (zone is not None and completion.completed_at < zone[0]):
        return
    named = (completion.completed_at, completion.event_id, timezone)
    if zone is None or named > zone:
        state.zone = named


def rename_zone(state: LearnerState, arrival: Completion, stored: Completion) -> None:
    """Apply a revision to the zone.

    If the completion that set the zone no longer names one that recent, the zone is marked as lost:
    an older completion may decide now.
    """
    before = state.zone
    if before is not None and before[1] == stored.event_id:
        state.zone = None
    if not arrival.revoked:
        name_zone(state, arrival)
    if before is not None and (state.zone is None or state.zone[:2] < before[:2]):
        state.dirty.zone_lost = True
