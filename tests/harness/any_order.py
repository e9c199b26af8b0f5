"""The possible results of facts that were applied in an unknown order.

Excuses come from another topic than completions, so either may be read first. `interleaved` knows
what that decides.

A learner whose key moved to another partition has events in both, and either may be read first. The
order decides a level's previous level, an unlock's trigger, and whether a rule held for a while
before a revision. Everything else is compared as usual.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

import yaml

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from tests.harness.interleaved import Interleaved
from tests.harness.truth import Row, Rows, policy_of
from tests.naive import LEVELS, THRESHOLDS, counting, level
from tests.naive_rules import measured


class Judge(Protocol):
    """Says which rows of a learner must exist, and which others may."""

    def due(self, row: Row) -> bool:
        """Whether this row, or another one in its place, must exist."""

    def may(self, row: Row) -> bool:
        """Whether some order leads to this row."""


def as_it_may_have_come(
    expected: Rows,
    found: Rows,
    events: Iterable[Completion],
    learners: frozenset[str],
    catalogue: str,
    excuses: Sequence[Excuse] = (),
) -> Rows:
    """The expected rows; for these learners, the found rows that some order leads to.

    `expected` holds the rows for the order in which the events were sent. For other learners with
    excuses, only their order beside the events is unknown.
    """
    by_learner: dict[str, list[Completion]] = defaultdict(list)
    for event in events:
        by_learner[event.user_id].append(event)
    granted: dict[str, list[Excuse]] = defaultdict(list)
    for excuse in excuses:
        granted[excuse.user_id].append(excuse)
    rules = yaml.safe_load(catalogue)
    settled = expected.copy()
    levels: dict[str, Judge] = {
        user_id: _Levels(by_learner[user_id]) for user_id in learners & by_learner.keys()
    }
    unlocks: dict[str, Judge] = {
        user_id: _Unlocks(by_learner[user_id], rules, granted[user_id])
        if user_id in learners
        else Interleaved(by_learner[user_id], rules, granted[user_id])
        for user_id in by_learner.keys() & (learners | granted.keys())
    }
    for table, judges in (("skill_level", levels), ("achievement_unlock", unlocks)):
        settled[table] = list(_settled(expected[table], found[table], judges))
    return settled


def _settled(
    expected: Iterable[Row], found: Iterable[Row], judges: Mapping[str, Judge]
) -> Iterator[Row]:
    rows = {row[:2]: row for row in expected if row[0] in judges and judges[row[0]].due(row)}
    rows |= {row[:2]: row for row in found if row[0] in judges and judges[row[0]].may(row)}
    yield from rows.values()
    yield from (row for row in expected if row[0] not in judges)


class _Levels:
    """Levels follow from the last revisions, whatever the order."""

    def __init__(self, events: list[Completion]) -> None:
        self._done = counting(events)
        self._moments = {event.completed_at for event in events}

    def due(self, row: Row) -> bool:
        _, _, reached, *_ = row
        return bool(reached != LEVELS[0])

    def may(self, row: Row) -> bool:
        _, topic, reached, previous, moment = row
        ends_there = reached == level(self._done, topic)
        return ends_there and previous in {*LEVELS} - {reached} and moment in self._moments


class _Unlocks:
    """An unlock must exist if its rule holds at the end, and may exist if it ever held."""

    def __init__(
        self, events: list[Completion], catalogue: Mapping[str, Any], excuses: Sequence[Excuse]
    ) -> None:
        self._policy = policy_of(catalogue, excuses)
        #: As if every revision were an excuse of its own, and none had been revoked.
        self._most_excused = policy_of(
            catalogue, [excuse._replace(excuse_id=uuid4(), revoked=False) for excuse in excuses]
        )
        self._backdated = {False, bool(excuses)}
        self._version = catalogue["version"]
        self._rules = {one["id"]: one["rule"] for one in catalogue["achievements"]}
        self._done = counting(events)
        self._triggers = {(e.completed_at, e.local_day, e.event_id) for e in events}
        #: As if every revision were an exercise of its own, and faultless.
        self._at_best = [
            event._replace(grade_hundredths=100_00, hints_used=0)
            for event in events
            if not event.revoked
        ]

    def due(self, row: Row) -> bool:
        value, target = measured(self._rules[row[1]], self._done, THRESHOLDS, self._policy)
        return value >= target

    def may(self, row: Row) -> bool:
        _, name, moment, day, trigger, version, value, target, backdated = row
        best, asked = measured(self._rules[name], self._at_best, THRESHOLDS, self._most_excused)
        return (
            (moment, day, trigger) in self._triggers
            and best >= asked
            and value >= target
            and version == self._version
            and backdated in self._backdated
        )
