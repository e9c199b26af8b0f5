"""Finds the achievements that are due, without asking every rule after every event.

Rules that measure the same value are the steps of one ladder: the value is taken once and compared
with the steps from the lowest upwards. A ladder is asked only when what it reads has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from progress_worker.domain.catalogue import Achievement
from progress_worker.domain.filters import Counters
from progress_worker.domain.rules import COMBINED, Condition, Value
from progress_worker.domain.state import LearnerState

#: The target of a ladder that is climbed to its end; no value of ours reaches it.
_NEVER: Final = 1 << 63


class Step(NamedTuple):
    """An achievement and its rule; `position` is its place in the catalogue."""

    target: int
    position: int
    name: str
    achievement: Achievement
    condition: Condition


class _Ladder(NamedTuple):
    """The steps over one value, lowest first; `reads` are the parts of a state it depends on."""

    value: Value
    reads: int
    steps: Sequence[Step]


class Ladders:
    """All achievements of a catalogue."""

    def __init__(
        self, conditions: Iterable[tuple[Achievement, Condition]], counters: Counters
    ) -> None:
        steps: dict[tuple[str, str], list[Step]] = {}
        for position, (achievement, condition) in enumerate(conditions):
            # Rules made of others share a measure's name, but not its value.
            own = achievement.id if condition.measure == COMBINED else ""
            step = Step(condition.target, position, achievement.id, achievement, condition)
            steps.setdefault((condition.measure, own), []).append(step)
        self._ladders = [_ladder(sorted(shared), counters) for shared in steps.values()]
        self._reading: dict[int, list[tuple[int, Value]]] = {}

    def due(self, state: LearnerState, changed: int) -> Sequence[Step]:
        """What holds and is not unlocked, of the rules that read a part that has changed.

        In the order of the catalogue; the caller unlocks all of it.
        """
        ladders = self._reading.get(changed)
        if ladders is None:
            ladders = self._reading[changed] = [
                (number, ladder.value)
                for number, ladder in enumerate(self._ladders)
                if ladder.reads & changed
            ]
        targets = state.next_targets or self._next_targets(state)
        found: list[Step] = []
        for number, value in ladders:
            target = targets[number]
            if target != _NEVER and (reached := value(state)) >= target:
                found += self._climb(state, number, reached)
        if len(found) > 1:
            found.sort(key=lambda step: step.position)
        return found

    def _climb(self, state: LearnerState, number: int, reached: int) -> list[Step]:
        """The steps up to that value that are not unlocked; the next one becomes the target."""
        waiting = [s for s in self._ladders[number].steps if s.name not in state.unlocked]
        above = (step.target for step in waiting if step.target > reached)
        state.next_targets[number] = next(above, _NEVER)
        return [step for step in waiting if step.target <= reached]

    def _next_targets(self, state: LearnerState) -> list[int]:
        unlocked = state.unlocked
        state.next_targets = [
            next((step.target for step in ladder.steps if step.name not in unlocked), _NEVER)
            for ladder in self._ladders
        ]
        return state.next_targets


def _ladder(steps: Sequence[Step], counters: Counters) -> _Ladder:
    condition = steps[0].condition
    reads = condition.inputs | counters.bits_of(condition.filters)
    return _Ladder(condition.value, reads, steps)
