"""The possible results of events that were applied in an unknown order.

A learner whose key moved to another partition has events in both, and either may be read first. The
order decides a level's previous level, an unlock's trigger, and whether a rule held for a while
before a revision. Everything else is compared as usual.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from progress_worker.domain.completion import Completion
from tests.harness.truth import Row, Rows
from tests.naive import LEVELS, counting, level, measured


def as_it_may_have_come(
    expected: Rows,
    found: Rows,
    events: Iterable[Completion],
    learners: frozenset[str],
    catalogue: str,
) -> Rows:
    """The expected rows; for these learners, the found rows that some order leads to.

    `expected` holds the rows for the order in which the events were sent.
    """
    by_learner: dict[str, list[Completion]] = defaultdict(list)
    for event in events:
        by_learner[event.user_id].append(event)
    rules = yaml.safe_load(catalogue)
    settled = expected.copy()
    for table, possible in (("skill_level", _Levels), ("achievement_unlock", _Unlocks)):
        known = [row for row in expected[table] if row[0] not in learners]
        for user_id in learners & by_learner.keys():
            judge = possible(by_learner[user_id], rules)
            rows = {row[1]: row for row in expected[table] if row[0] == user_id and judge.due(row)}
            rows |= {row[1]: row for row in found[table] if row[0] == user_id and judge.may(row)}
            known += rows.values()
        settled[table] = known
    return settled


class _Levels:
    """Levels follow from the last revisions, whatever the order."""

    def __init__(self, events: list[Completion], _catalogue: Mapping[str, Any]) -> None:
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

    def __init__(self, events: list[Completion], catalogue: Mapping[str, Any]) -> None:
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
        value, target = measured(self._rules[row[1]], self._done)
        return value >= target

    def may(self, row: Row) -> bool:
        _, name, moment, day, trigger, version, value, target, backdated = row
        best, asked = measured(self._rules[name], self._at_best)
        return (
            (moment, day, trigger) in self._triggers
            and best >= asked
            and value >= target
            and (version, backdated) == (self._version, False)
        )
