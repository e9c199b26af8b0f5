"""What may have become of a learner's unlocks whose events have a known order, and the excuses
beside them.

Every interleaving is a path through a grid: so many events and so many excuses have arrived. Each
step to the next event or the next excuse may be the one that unlocks, or the one that loses. Only
rules about streaks depend on the path. So for these every chain is found that some path leads to,
and what was published must be one of them, with its generations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar
from uuid import UUID

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from tests.harness.chains import Chain
from tests.harness.published import Told, told_of
from tests.harness.truth import Rules, policy_of
from tests.naive import THRESHOLDS, counting
from tests.naive_book import NaiveAchievement, Occurrence
from tests.naive_rules import Measures

Cell = tuple[int, int]


class Interleaved:
    """What some path leads to, of one learner with a rule book."""

    def __init__(
        self, events: Sequence[Completion], rules: Rules, excuses: Sequence[Excuse]
    ) -> None:
        self._book = rules.book
        self._events = [None, *_new(events, lambda e: e.event_id)]
        self._done = [
            counting(event for event in self._events[: at + 1] if event is not None)
            for at in range(len(self._events))
        ]
        self._excuses = [None, *_new(excuses, lambda e: e.excuse_id)]
        known = [excuse for excuse in self._excuses if excuse is not None]
        self._policies = [
            policy_of(rules.catalogue, known[:at]) for at in range(len(self._excuses))
        ]
        self._measures: dict[Cell, Measures] = {}
        self._possible = {
            (one.id, 1): self._chains(one)
            for one in rules.achievements.values()
            if reads_streaks(one, rules)
        }

    def like(self, occurrence: Occurrence, told: Told) -> Chain | None:
        """The chain that some path leads to and that was published so; None if there is none."""
        possible = self._possible.get(occurrence, ())
        return next((chain for chain in possible if told_of([chain]) == told), None)

    def _chains(self, achievement: NaiveAchievement) -> set[Chain]:
        """The chains at the end of every path."""
        at_cell: dict[Cell, set[Chain]] = {(0, 0): {Chain()}}
        for cell in product(range(len(self._events)), range(len(self._policies))):
            if cell != (0, 0):
                at_cell[cell] = {*self._steps(achievement, cell, at_cell)}
        return at_cell[cell]

    def _steps(
        self, achievement: NaiveAchievement, cell: Cell, before: Mapping[Cell, set[Chain]]
    ) -> Iterator[Chain]:
        """What the last event or the last excuse makes of the chains."""
        at, excused = cell
        event, excuse = self._events[at], self._excuses[excused]
        name = achievement.id, 1
        measured = self._at(at, excused).of(achievement.rule)
        holds = measured[0] >= measured[1]
        for change, earlier in ((event, (at - 1, excused)), (excuse, (at, excused - 1))):
            for chain in before.get(earlier, ()):
                assert change is not None
                if holds == chain.stands or (chain.stands and not achievement.withdraw):
                    yield chain
                elif not holds:
                    yield chain.lose(revoked=change.revoked, rule_version=self._book.version)
                elif change is event:
                    assert event is not None
                    yield self._book.unlock(chain, name, event, measured)
                else:
                    trigger, then = self._backdated(achievement.rule, at, excused)
                    yield self._book.unlock(chain, name, trigger, then, backdated=True)

    def _at(self, at: int, excused: int) -> Measures:
        """What the rules measure in a cell; every rule asks for the same cells."""
        if (at, excused) not in self._measures:
            policy = self._policies[excused]
            self._measures[at, excused] = Measures(self._done[at], THRESHOLDS, policy)
        return self._measures[at, excused]

    def _backdated(
        self, rule: Mapping[str, Any], at: int, excused: int
    ) -> tuple[Completion, tuple[int, int]]:
        """The completion that, in order of work, first met the rule, and what it measured then."""
        ordered = sorted(self._done[at], key=lambda c: (c.completed_at, c.event_id))
        for count, trigger in enumerate(ordered, 1):
            then = Measures(ordered[:count], THRESHOLDS, self._policies[excused]).of(rule)
            if then[0] >= then[1]:
                return trigger, then
        raise AssertionError(f"{rule} holds with all completions")


def reads_streaks(achievement: NaiveAchievement, rules: Rules) -> bool:
    """Whether excuses decide about it; such a one may not require another, or be required."""
    required = {name for each in rules.achievements.values() for name in each.requires}
    if '"streak":' not in json.dumps(achievement.rule, default=str):
        return False
    assert not achievement.requires, achievement.id
    assert achievement.id not in required, achievement.id
    return True


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
