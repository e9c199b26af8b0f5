"""Finds the achievements that are due, without evaluating every rule after every event.

Rules that measure the same value share a list of thresholds. The value is read once and compared
with the lowest threshold that is not unlocked, and only when a part of the state that it depends
on has changed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import count
from operator import attrgetter
from typing import Final, NamedTuple

from progress_worker.domain.counters import Counters
from progress_worker.domain.occurrences import Entry
from progress_worker.domain.rules import COMBINED, Value
from progress_worker.domain.state import LearnerState

#: The target of a list whose achievements are all unlocked. No measured value reaches it.
_NEVER: Final = 1 << 63
_numbers: Final = count(1)
_target: Final = attrgetter("target")


class _Thresholds(NamedTuple):
    """The entries over one value, lowest first; `reads` are the parts of a state it depends on."""

    value: Value
    reads: int
    entries: Sequence[Entry]


class ThresholdIndex:
    """All occurrences of a rule book's achievements that are known beforehand."""

    def __init__(self, entries: Iterable[Entry], counters: Counters) -> None:
        by_value: dict[tuple[str, str], list[Entry]] = {}
        for entry in entries:
            # Rules made of others share a measure's name, but not its value.
            measure = entry.condition.measure
            own = entry.achievement.id if measure == COMBINED else ""
            by_value.setdefault((measure, own), []).append(entry)
        #: Unique in this process.
        self._number = next(_numbers)
        self._lists = [_thresholds(sorted(shared), counters) for shared in by_value.values()]
        self._reading: dict[int, list[tuple[int, Value]]] = {}

    def due(self, state: LearnerState, changed: int) -> Sequence[Entry]:
        """The rules that hold, are not unlocked, and read a part that has changed.

        They are in the order of the rule book. The caller unlocks all of them.
        """
        reading = self._reading.get(changed)
        if reading is None:
            reading = self._reading[changed] = [
                (number, thresholds.value)
                for number, thresholds in enumerate(self._lists)
                if thresholds.reads & changed
            ]
        # A learner who moves to another rule book has another index.
        targets = (
            state.next_targets if state.targets_of == self._number else self._next_targets(state)
        )
        due: list[Entry] = []
        for number, value in reading:
            target = targets[number]
            if target != _NEVER and (measured := value(state)) >= target:
                due += self._reached(state, number, measured)
        if len(due) > 1:
            due.sort(key=lambda entry: entry.position)
        return due

    def _reached(self, state: LearnerState, number: int, measured: int) -> list[Entry]:
        """The entries up to that value that are not unlocked; the next one becomes the target.

        Those below the present target are unlocked.
        """
        entries = self._lists[number].entries
        due: list[Entry] = []
        for position in range(
            bisect_left(entries, state.next_targets[number], key=_target), len(entries)
        ):
            entry = entries[position]
            if entry.name not in state.unlocked:
                if entry.target > measured:
                    state.next_targets[number] = entry.target
                    return due
                due.append(entry)
        state.next_targets[number] = _NEVER
        return due

    def _next_targets(self, state: LearnerState) -> list[int]:
        unlocked = state.unlocked
        state.targets_of = self._number
        state.next_targets = [
            next((e.target for e in thresholds.entries if e.name not in unlocked), _NEVER)
            for thresholds in self._lists
        ]
        return state.next_targets


def _thresholds(entries: Sequence[Entry], counters: Counters) -> _Thresholds:
    condition = entries[0].condition
    reads = condition.inputs | counters.bits_of(condition.filters)
    return _Thresholds(condition.value, reads, entries)
