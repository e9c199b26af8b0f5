"""The learner's clock: the zone and the start of the day that the latest completions name."""

from __future__ import annotations

from progress_worker.domain.calendar import is_zone, local_time, utc_offset_minutes
from progress_worker.domain.completion import Completion
from progress_worker.domain.state import LearnerState, Named, Value


def clock_offset(completion: Completion) -> int | None:
    """How far the completion's clock was ahead of UTC, in minutes; None if that is not known.

    Old completions were stored without it. Then their zone says it.
    """
    offset = completion.utc_offset_minutes
    if offset is None:
        timezone = completion.timezone
        if timezone is None or not is_zone(timezone):
            return None
        offset = utc_offset_minutes(local_time(completion.completed_at, timezone))
    return offset


def read_clock(state: LearnerState, completion: Completion) -> None:
    """Apply a new completion to the learner's clock: the latest one that names a part decides."""
    timezone, zone = completion.timezone, state.zone
    if timezone is not None:
        state.zone = _later(state, zone, completion, timezone)
        state.offset = None  # only those who never named a zone are read by an offset
    elif zone is None and completion.utc_offset_minutes is not None:
        state.offset = _later(state, state.offset, completion, completion.utc_offset_minutes)
    if completion.day_starts_at is not None:
        state.day_start = _later(state, state.day_start, completion, completion.day_starts_at)


def reread_clock(state: LearnerState, arrival: Completion, stored: Completion) -> None:
    """Apply a revision to the learner's clock.

    If the completion that decided on a part no longer does, the part is marked as lost: an older
    completion may decide now.
    """
    state.dirty.expiry = True
    zone, offset, day_start = state.zone, state.offset, state.day_start
    if zone is not None and zone[1] == stored.event_id:
        state.zone = None
    if offset is not None and offset[1] == stored.event_id:
        state.offset = None
    if day_start is not None and day_start[1] == stored.event_id:
        state.day_start = None
    if not arrival.revoked:
        read_clock(state, arrival)
    if (
        (zone is not None and _is_earlier(state.zone, zone))
        or (offset is not None and state.zone is None and _is_earlier(state.offset, offset))
        or (day_start is not None and _is_earlier(state.day_start, day_start))
    ):
        state.dirty.clock_lost = True


def _later(
    state: LearnerState, known: Named[Value] | None, completion: Completion, value: Value
) -> Named[Value]:
    """The later of the two; a value that is new is marked."""
    named = (completion.completed_at, completion.event_id, value)
    if known is not None and named <= known:
        return known
    if known is None or known[2] != value:
        state.dirty.expiry = True
    return named


def _is_earlier(now: Named[Value] | None, before: Named[Value]) -> bool:
    return now is None or now[:2] < before[:2]
