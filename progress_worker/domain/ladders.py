"""Finds the achievements that are due, without asking every rule after every event.

Rules that measure the same value are the steps of one ladder: the value is taken once and compared
with the steps from the lowest upwards. A ladder is asked only when what it reads has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from progress_worker.domain.catalogue import Achievement
from progress_worker.domain.filters import Counters
from progress_worker.domain.rules import COMBINED, Condition, Value
from progress_worker.domain.state import LearnerState


class Step(NamedTuple):
    """An achievement and its rule; `position` is its place in the catalogue."""

    target: int
    position: int
    name: str
    achievement: Achievement
    condition: Condition


class _Ladder(NamedTuple):
    """The steps over one value, lowest first; `only` names the step where it is the only one."""

    value: Value
    reads: int
    only: str | None
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
        self._reading: dict[int, list[_Ladder]] = {}

    def due(self, state: LearnerState, changed: int) -> Sequence[Step]:
        """What holds and is not unlocked, of the rules that read a part that has changed.

        In the order of the catalogue.
        """
        ladders = self._reading.get(changed)
        if ladders is None:
            ladders = [ladder for ladder in self._ladders if ladder.reads & changed]
            self._reading[changed] = ladders
        found: list[Step] = []
        unlocked = state.unlocked
        for value, _, only, steps in ladders:
            if only in unlocked:
                continue
            reached = value(state)
            for step in steps:
                if step[0] > reached:
                    break
                if step[2] not in unlocked:
                    found.append(step)
        if len(found) > 1:
            found.sort(key=lambda step: step.position)
        return found


def _ladder(steps: Sequence[Step], counters: Counters) -> _Ladder:
    condition = steps[0].condition
    reads = condition.inputs | counters.bits_of(condition.filters)
    return _Ladder(condition.value, reads, steps[0].name if len(steps) == 1 else None, steps)
