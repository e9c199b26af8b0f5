"""The possible unlocks of a learner whose events have a known order, and the excuses beside them.

Every interleaving is a path through a grid: so many events and so many excuses have arrived. Each
step to the next event or the next excuse may be the one that unlocks. Only rules about streaks
depend on the path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar
from uuid import UUID

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from tests.harness.truth import Row, policy_of
from tests.naive import THRESHOLDS, counting
from tests.naive_rules import Measures

Cell = tuple[int, int]


class Interleaved:
    """What some path leads to, of one learner with a book of rules."""

    def __init__(
        self, events: Sequence[Completion], catalogue: Mapping[str, Any], excuses: Sequence[Excuse]
    ) -> None:
        self._version = catalogue["version"]
        self._events = [None, *_new(events, lambda e: e.event_id)]
        self._done = [
            counting(event for event in self._events[: at + 1] if event is not None)
            for at in range(len(self._events))
        ]
        known = _new(excuses, lambda e: e.excuse_id)
        self._policies = [policy_of(catalogue, known[:at]) for at in range(len(known) + 1)]
        self._measures: dict[Cell, Measures] = {}
        self._rules = {
            one["id"]: one["rule"]
            for one in catalogue["achievements"]
            if '"streak":' in json.dumps(one["rule"])
        }
        self._locked = {name: self._still_locked(rule) for name, rule in self._rules.items()}

    def due(self, row: Row) -> bool:
        """Whether the unlock must exist; where no path matters, as this row says."""
        end = len(self._events) - 1, len(self._policies) - 1
        return row[1] not in self._rules or end not in self._locked[row[1]]

    def may(self, row: Row) -> bool:
        """Whether some path leads to exactly this unlock."""
        return row[1] in self._rules and any(row[1:] == each for each in self._possible(row[1]))

    def _still_locked(self, rule: Mapping[str, Any]) -> set[Cell]:
        """The cells that some path reaches before the rule holds."""
        locked: set[Cell] = set()
        for at, excused in product(range(len(self._events)), range(len(self._policies))):
            reached = {(at - 1, excused), (at, excused - 1)} & locked or (at, excused) == (0, 0)
            if reached and not _holds(rule, self._at(at, excused)):
                locked.add((at, excused))
        return locked

    def _possible(self, name: str) -> Iterator[tuple[Any, ...]]:
        rule, locked = self._rules[name], self._locked[name]
        for at, excused in product(range(len(self._events)), range(len(self._policies))):
            now = self._at(at, excused)
            if (at, excused) in locked or not _holds(rule, now):
                continue
            event = self._events[at]
            if event is not None and (at - 1, excused) in locked:
                yield self._unlock(name, event, now, backdated=False)
            if (at, excused - 1) in locked:
                yield self._backdated(name, self._done[at], excused)

    def _at(self, at: int, excused: int) -> Measures:
        """What the rules measure in a cell; every rule asks for the same cells."""
        if (at, excused) not in self._measures:
            policy = self._policies[excused]
            self._measures[at, excused] = Measures(self._done[at], THRESHOLDS, policy)
        return self._measures[at, excused]

    def _backdated(self, name: str, done: Sequence[Completion], excused: int) -> tuple[Any, ...]:
        """By the completion that, in order of work, first met the rule."""
        ordered = sorted(done, key=lambda c: (c.completed_at, c.event_id))
        for count, trigger in enumerate(ordered, 1):
            then = Measures(ordered[:count], THRESHOLDS, self._policies[excused])
            if _holds(self._rules[name], then):
                return self._unlock(name, trigger, then, backdated=True)
        raise AssertionError(f"{name} holds with all completions")

    def _unlock(
        self, name: str, trigger: Completion, measures: Measures, *, backdated: bool
    ) -> tuple[Any, ...]:
        value, target = measures.of(self._rules[name])
        moment = trigger.completed_at, trigger.local_day, trigger.event_id
        return name, *moment, self._version, value, target, backdated


def _holds(rule: Mapping[str, Any], measures: Measures) -> bool:
    value, target = measures.of(rule)
    return value >= target


Revised = TypeVar("Revised", Completion, Excuse)


def _new(arrivals: Sequence[Revised], identity: Callable[[Revised], UUID]) -> list[Revised]:
    """Those that change something: no repeats, no lower revisions."""
    revisions: dict[UUID, int] = {}
    found = []
    for arrival in arrivals:
        if arrival.revision > revisions.get(identity(arrival), -1):
            revisions[identity(arrival)] = arrival.revision
            found.append(arrival)
    return found
