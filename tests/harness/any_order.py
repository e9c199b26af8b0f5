"""The possible results of facts that were applied in an unknown order.

Excuses come from another topic than completions, so either may be read first. `interleaved` knows
what that decides.

A learner whose key moved to another partition has events in both, and either may be read first. The
order decides a level's previous level, an unlock's trigger, and whether a rule held for a while
before a revision: so whether an achievement that is kept was unlocked at all, and how often one
that can be lost was lost and earned again. What was published is then taken as it is, if its
generations are without a gap, each of its unlocks is possible, and it ends as the last revisions
say. The tables must agree with it. Everything else is compared as usual.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID, uuid4

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from tests.harness.chains import Chain, Chains, Lost, Row, Unlocked
from tests.harness.interleaved import Interleaved
from tests.harness.outputs import Outputs
from tests.harness.published import (
    PublishedLoss,
    PublishedUnlock,
    Told,
    told_by_occurrence,
    told_of,
)
from tests.harness.truth import Rules, Truth, policy_of, read_rules
from tests.naive import LEVELS, THRESHOLDS, counting, level
from tests.naive_book import Occurrence, naive_unlocked
from tests.naive_rules import Measures
from tests.naive_travel import NaivePolicy


class Judge(Protocol):
    """Says what may have become of a learner's unlocks."""

    def like(self, occurrence: Occurrence, told: Told) -> Chain | None:
        """The chain that some order leads to and that was published so; None if there is none."""


def as_it_may_have_come(
    expected: Truth,
    found: Outputs,
    events: Iterable[Completion],
    learners: frozenset[str],
    catalogue: str,
    excuses: Sequence[Excuse] = (),
) -> Truth:
    """What is expected; for these learners, what was found where some order leads to it.

    `expected` follows from the order in which the events were sent. For other learners with
    excuses, only their order beside the events is unknown.
    """
    by_learner: dict[str, list[Completion]] = defaultdict(list)
    for event in events:
        by_learner[event.user_id].append(event)
    granted: dict[str, list[Excuse]] = defaultdict(list)
    for excuse in excuses:
        granted[excuse.user_id].append(excuse)
    rules = read_rules(catalogue)
    levels = {user_id: _Levels(by_learner[user_id]) for user_id in learners & by_learner.keys()}
    judges: dict[str, Judge] = {
        user_id: _AnyOrder(by_learner[user_id], rules, granted[user_id])
        if user_id in learners
        else Interleaved(by_learner[user_id], rules, granted[user_id])
        for user_id in by_learner.keys() & (learners | granted.keys())
    }
    rows = expected.rows.copy()
    rows["skill_level"] = list(_settled(rows["skill_level"], found.rows["skill_level"], levels))
    return Truth(rows, dict(_settled_chains(expected.chains, found, judges)))


def _settled(
    expected: Iterable[Row], found: Iterable[Row], judges: Mapping[str, _Levels]
) -> Iterator[Row]:
    rows = {row[:2]: row for row in expected if row[0] in judges and judges[row[0]].due(row)}
    rows |= {row[:2]: row for row in found if row[0] in judges and judges[row[0]].may(row)}
    yield from rows.values()
    yield from (row for row in expected if row[0] not in judges)


def _settled_chains(
    expected: Chains, found: Outputs, judges: Mapping[str, Judge]
) -> Iterator[tuple[tuple[str, str, int], Chain]]:
    told = told_by_occurrence(found.unlocks, found.losses)
    for key in expected.keys() | told.keys():
        user_id, name, number = key
        like = None
        if user_id in judges:
            like = judges[user_id].like((name, number), told.get(key, Told()))
        chain = expected.get(key) if like is None else like
        if chain is not None:
            yield key, chain


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


class _AnyOrder:
    """An unlock must exist if its rule holds at the end, and may exist if it ever held."""

    def __init__(self, events: list[Completion], rules: Rules, excuses: Sequence[Excuse]) -> None:
        self._rules = rules
        self._backdated = {False, bool(excuses)}
        #: By event and instant, as an unlock names it; the revisions may have other days.
        self._days: dict[tuple[str, dt.datetime], dt.date] = {
            (str(event.event_id), event.completed_at): event.local_day for event in events
        }
        facts: list[Completion | Excuse] = [*events, *excuses]
        self._corrections = len([fact for fact in facts if fact.revision])
        self._due = self._unlocked(counting(events), policy_of(rules.catalogue, excuses))
        #: As if every revision were an exercise of its own, and faultless, and as if every revision
        #: were an excuse of its own, and none of them had been revoked.
        self._at_best = self._unlocked(
            [
                event._replace(grade_hundredths=100_00, hints_used=0)
                for event in events
                if not event.revoked
            ],
            policy_of(
                rules.catalogue,
                [excuse._replace(excuse_id=uuid4(), revoked=False) for excuse in excuses],
            ),
        )

    def _unlocked(
        self, done: Sequence[Completion], policy: NaivePolicy
    ) -> dict[Occurrence, tuple[int, int]]:
        measures = Measures(done, THRESHOLDS, policy)
        holding = {
            (each.id, number): measured
            for each in self._rules.achievements.values()
            for number, measured in measures.occurrences(each.rule, each.repeat).items()
        }
        unlocked = naive_unlocked(self._rules.achievements, holding, ())
        return {each: holding[each] for each in unlocked}

    def like(self, occurrence: Occurrence, told: Told) -> Chain | None:
        if not told.unlocks and not told.losses:
            return None if occurrence in self._due else Chain()
        if not self._may_be(occurrence, told):
            return None
        chain = Chain(
            tuple(sorted(map(self._row, told.unlocks), key=lambda row: row.generation)),
            tuple(sorted(Lost(x.generation, x.reason, x.rule_version) for x in told.losses)),
        )
        return chain if told_of([chain]) == told else None

    def _may_be(self, occurrence: Occurrence, told: Told) -> bool:
        """Whether some order leads to these generations."""
        unlocked = sorted(unlock.generation for unlock in told.unlocks)
        lost = sorted(loss.generation for loss in told.losses)
        if self._rules.achievements[occurrence[0]].withdraw:
            ends = len(lost) == len(unlocked) - (occurrence in self._due)
        else:
            ends = len(unlocked) == 1 and not lost
        return (
            ends
            and unlocked == [*range(1, len(unlocked) + 1)]
            and lost == [*range(1, len(lost) + 1)]
            and len(lost) <= self._corrections
            and all(self._may(unlock) for unlock in told.unlocks)
            and all(self._may_lose(loss) for loss in told.losses)
        )

    def _may(self, unlock: PublishedUnlock) -> bool:
        best = self._at_best.get((unlock.achievement_id, unlock.occurrence))
        return (
            best is not None
            and unlock.value >= unlock.target
            # The target of an `any` is that of the part that is nearest.
            and (unlock.target == best[1] or "any" in self._rule(unlock))
            and (unlock.triggering_event_id, unlock.unlocked_at) in self._days
            and (unlock.rule_version, unlock.rules_digest) == self._rules.book
            and unlock.backdated in self._backdated
        )

    def _may_lose(self, loss: PublishedLoss) -> bool:
        known = loss.reason in ("revised", "revoked")
        return known and loss.rule_version == self._rules.book.version

    def _rule(self, unlock: PublishedUnlock) -> Mapping[str, Any]:
        return self._rules.achievements[unlock.achievement_id].rule

    def _row(self, unlock: PublishedUnlock) -> Unlocked:
        return Unlocked(
            unlock.user_id,
            unlock.achievement_id,
            unlock.occurrence,
            unlock.generation,
            unlock.unlocked_at,
            self._days[unlock.triggering_event_id, unlock.unlocked_at],
            UUID(unlock.triggering_event_id),
            unlock.rule_version,
            unlock.rules_digest,
            unlock.value,
            unlock.target,
            unlock.backdated,
        )
