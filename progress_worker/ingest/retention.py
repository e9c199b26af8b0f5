"""Decides what may still be applied to a learner whose old completions were deleted."""

from __future__ import annotations

from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState
from progress_worker.errors import PoisonError, Reason


def refusal(state: LearnerState, arrival: Completion) -> PoisonError | None:
    """Why an arrival that is not stored is refused; None if it can be applied.

    It is refused if it may be a repeat or a revision of a deleted completion. What was done before
    an erasure is not refused, because it is dropped. Nothing is refused of a learner without
    deleted completions, nor a first revision from after the deleted ones.
    """
    if state.kept_from is None or state.is_erased(arrival.completed_at):
        return None
    if arrival.completed_at < state.kept_from:
        return PoisonError(
            Reason.BEYOND_RETENTION,
            f"completed_at: completions before {state.kept_from:%Y-%m-%d} were deleted",
        )
    if arrival.revision > 0:
        return PoisonError(
            Reason.BEYOND_RETENTION, "revision: the completion that it revises is not stored"
        )
    return None
