"""What may still be applied to a learner whose old completions were deleted."""

from __future__ import annotations

from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState
from progress_worker.errors import PoisonError, Reason


def refusal(state: LearnerState, arrival: Completion) -> PoisonError | None:
    """Why an arrival that is not stored can be told neither from a repeat nor from a new one.

    None where it can: nothing was deleted, or it is a first revision of later.
    """
    if state.kept_from is None:
        return None
    if arrival.completed_at < state.kept_from:
        return PoisonError(
            Reason.BEYOND_RETENTION,
            f"completed_at: completions before {state.kept_from:%Y-%m-%d} were deleted",
        )
    if arrival.revision > 0:
        return PoisonError(
            Reason.BEYOND_RETENTION, "revision: of a completion that is not, or no longer, stored"
        )
    return None
