"""Learners as they were last saved, so that the next batch need not load them.

A cached learner may be out of date, because another worker may have changed it. This is safe: a
save succeeds only if the version is still the one that the cache knows. A learner leaves the cache
when it is taken, so after a failed save the next try loads it again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from progress_worker.domain.buckets import Buckets
from progress_worker.domain.state import DirtyMarks, LearnerState


class LearnerCache:
    """The most recently saved learners, up to a capacity."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._learners: OrderedDict[str, LearnerState] = OrderedDict()

    def take(self, users: Iterable[str]) -> dict[str, LearnerState]:
        """Remove and return those of the users that are here; the caller owns them."""
        taken = {}
        for user_id in users:
            state = self._learners.pop(user_id, None)
            if state is not None:
                taken[user_id] = state
        return taken

    def clear(self) -> None:
        """Forget all learners."""
        self._learners.clear()

    def put(self, states: Iterable[LearnerState]) -> None:
        """Keep learners whose changes are committed.

        Each keeps the last of its loaded days, and the buckets that were counted in last.
        """
        for state in states:
            state.proofs = None
            if state.dirty.changed:
                if state.buckets:
                    state.buckets = _last_buckets(state)
                state.dirty = DirtyMarks()
            if len(state.days) > 1:
                last = max(state.days)
                state.days = {last: state.days[last]}
            self._learners[state.user_id] = state
        while len(self._learners) > self._capacity:
            self._learners.popitem(last=False)


def _last_buckets(state: LearnerState) -> Buckets:
    kept: Buckets = {}
    for key, name in state.dirty.buckets:
        kept.setdefault(key, {})[name] = state.buckets[key][name]
    return kept
