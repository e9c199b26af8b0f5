"""The travel guard: days that a learner never had, since the clock was moved on over them.

A day's offset is how far the learner's days are ahead of days in UTC, in minutes: the offset of the
clock less the hour at which the day starts. A day without activity is excused if a completion of
the day before and one of the day after prove it: the offset grew by two hours or more between them,
and read with the earlier offset the later one falls on the day in question or before. Of a
completion of the day after, all that matters is the greatest earlier offset with which it proves
this, its reach.

Only the days around the batch's are needed, and only of a learner whose offsets differ by two hours
at all. `LearnerState.proofs` has them then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

from progress_worker.domain.clocks import clock_offset
from progress_worker.domain.completion import Completion
from progress_worker.domain.days import Days
from progress_worker.domain.state import LearnerState, Proof

_LEAST_SHIFT: Final = 120
_DAY_MINUTES: Final = 24 * 60
#: More minutes than any offset has.
_NEVER: Final = 1 << 30
_MINUTE: Final = dt.timedelta(minutes=1)
#: In every time zone, a day so many days later begins after the last deleted completion.
_DELETED_DAYS: Final = 2


def day_offset(completion: Completion) -> int | None:
    """The day's offset by which a completion was done; None if its clock is not known."""
    offset = clock_offset(completion)
    return None if offset is None else offset - 60 * (completion.local_day_hour or 0)


def proof_of(completion: Completion) -> Proof | None:
    """What a completion proves: its day's offset and its reach. None if it proves nothing."""
    offset = day_offset(completion)
    if offset is None:
        return None
    midnight = dt.datetime.combine(completion.local_day, dt.time(), dt.UTC)
    minute = (completion.completed_at - midnight) // _MINUTE + offset
    if not 0 <= minute < _DAY_MINUTES:
        return None  # an older release revised it and left the hour as it was
    return offset, offset - max(_LEAST_SHIFT, minute + 1)


def travellers(
    learners: Mapping[str, LearnerState], arrivals: Iterable[Completion]
) -> dict[str, list[Completion]]:
    """The arrivals of those learners whose offsets differ by two hours or more, with these."""
    spans: dict[str, tuple[int, int]] = {}
    suspects: set[str] = set()
    for completion in arrivals:
        offset = completion.utc_offset_minutes
        if offset is None:
            continue
        offset -= 60 * (completion.local_day_hour or 0)
        state = learners[completion.user_id]
        least, most = state.least_day_offset, state.most_day_offset
        if least is None or most is None or not least <= offset <= most:
            least, most = spans.get(completion.user_id, (least, most))
            least = offset if least is None else min(least, offset)
            most = offset if most is None else max(most, offset)
            spans[completion.user_id] = least, most
        if most - least >= _LEAST_SHIFT and state.complete:
            suspects.add(completion.user_id)
    found: dict[str, list[Completion]] = {user_id: [] for user_id in suspects}
    if suspects:
        for completion in arrivals:
            if completion.user_id in suspects:
                found[completion.user_id].append(completion)
    return found


def days_to_read(
    state: LearnerState, arriving: Iterable[Completion], stored: Iterable[Completion]
) -> set[dt.date] | None:
    """The active days of a traveller that have to be known before these arrivals are folded.

    `stored` are the revisions that the arrivals may replace. None where nothing can be excused or
    stop being excused, since no single day is missed around the arrivals.
    """
    active = state.active_days
    replaced = {completion.local_day.toordinal() for completion in stored}
    touched = {completion.local_day.toordinal() for completion in arriving} | replaced

    def lived(ordinal: int) -> bool:
        return ordinal in touched or active.holds(ordinal)

    if not any(
        lived(day - 1) and lived(day + 1) and (day in replaced or not active.holds(day))
        for near in touched
        for day in range(near - 1, near + 2)
    ):
        return None
    around = {day for near in touched for day in range(near - 2, near + 3) if active.holds(day)}
    return {dt.date.fromordinal(day) for day in around}


def put_in(state: LearnerState, completion: Completion) -> bool:
    """Note a completion that counts now. Whether the excused days have changed.

    Its day is one of the active days already.
    """
    offset = completion.utc_offset_minutes
    if offset is None:  # of old completions only
        offset = day_offset(completion)
    else:
        offset -= 60 * (completion.local_day_hour or 0)
    if offset is not None:
        least, most = state.least_day_offset, state.most_day_offset
        if least is None or most is None or not least <= offset <= most:  # hardly ever true
            state.least_day_offset = offset if least is None else min(least, offset)
            state.most_day_offset = offset if most is None else max(most, offset)
    if state.proofs is not None:
        remember(state, completion)
        return _review(state, state.proofs, completion.local_day.toordinal())
    if state.streaks.travelled.runs:
        return _excuse(state, completion.local_day.toordinal(), False)
    return False


def remember(state: LearnerState, completion: Completion) -> None:
    """Keep in mind what a completion proves about travel."""
    proof = proof_of(completion)
    if state.proofs is not None and proof is not None:
        of_day = state.proofs.setdefault(completion.local_day.toordinal(), {})
        of_day[completion.event_id.int] = proof


def take_out(state: LearnerState, completion: Completion) -> bool:
    """Note that a completion no longer counts. Whether the excused days have changed."""
    proofs = state.proofs
    if proofs is None:
        return False
    day = completion.local_day.toordinal()
    if day in proofs:
        proofs[day].pop(completion.event_id.int, None)
    return _review(state, proofs, day)


def _review(state: LearnerState, proofs: dict[int, dict[int, Proof]], near: int) -> bool:
    """Decide again about the days that a completion on the day `near` may excuse."""
    active = state.streaks.active
    changed = False
    for day in range(near - 1, near + 2):
        if active.holds(day):
            changed |= _excuse(state, day, False)
        elif _is_proven(active, proofs, day):
            changed |= _excuse(state, day, True)
        elif state.kept_from is None or not may_lack_completions(state.kept_from, day - 1):
            changed |= _excuse(state, day, False)
        # What deleted completions may have proved is kept.
    return changed


def _is_proven(active: Days, proofs: dict[int, dict[int, Proof]], day: int) -> bool:
    """Whether a completion of the day before and one of the day after prove travel."""
    if not (active.holds(day - 1) and active.holds(day + 1)):
        return False
    before, after = proofs.get(day - 1, {}), proofs.get(day + 1, {})
    least = min((offset for offset, _ in before.values()), default=_NEVER)
    return least <= max((reach for _, reach in after.values()), default=-_NEVER)


def may_lack_completions(kept_from: dt.datetime, ordinal: int) -> bool:
    """Whether completions of that day may be deleted: all before `kept_from` may."""
    return ordinal < kept_from.toordinal() + _DELETED_DAYS


def _excuse(state: LearnerState, ordinal: int, proven: bool) -> bool:
    travelled, day = state.streaks.travelled, dt.date.fromordinal(ordinal)
    if not (travelled.add(day) if proven else travelled.remove(day)):
        return False
    state.streaks.set_travelled(travelled)
    state.dirty.excused_days = True
    return True
