"""The rows and unlocks that must follow from the sent events, by the naive model of progress.

The model counts again after every event, because the order of arrival decides what triggered an
unlock, whether it was lost in between, and what a level was before. Only what cannot change any
more, a kept unlock, is not judged again. For many events it can count once, at the end.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from progress_worker.domain.completion import Completion
from progress_worker.domain.excuses import Excuse
from progress_worker.domain.rulebook_file import parse_rule_book
from tests.harness.chains import Book, Chain, Chains, Row
from tests.naive import THRESHOLDS, counting, naive_progress, runs
from tests.naive_book import (
    NaiveAchievement,
    Occurrence,
    naive_achievements,
    naive_unlocked,
    read_catalogue,
)
from tests.naive_rules import Measures
from tests.naive_travel import NaivePolicy, excused_by, highest

Rows = dict[str, list[Row]]


_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Truth(NamedTuple):
    """The rows of every learner table but those of unlocks, which follow from the chains."""

    rows: Rows
    chains: Chains


class Rules(NamedTuple):
    """What is read from the YAML of a rule book, once for all learners."""

    catalogue: Mapping[str, Any]
    achievements: Mapping[str, NaiveAchievement]
    book: Book


def read_rules(catalogue: str) -> Rules:
    """The rules of a rule book's YAML."""
    read = read_catalogue(catalogue)
    # The digest is a name, so there is nothing to count again.
    book = Book(read["version"], parse_rule_book(catalogue).digest)
    return Rules(read, naive_achievements(read), book)


def expected_truth(
    events: Iterable[Completion],
    catalogue: str,
    excuses: Iterable[Excuse] = (),
    *,
    stepwise: bool = True,
) -> Truth:
    """What every learner table must hold; `catalogue` is the YAML of the rule book.

    Events of one learner are given in the order in which they were sent, and the excuses as if all
    had come before. When not `stepwise`, levels and unlocks are as if all had come at once.
    """
    by_learner: dict[str, list[Completion]] = defaultdict(list)
    for event in events:
        by_learner[event.user_id].append(event)
    granted: dict[str, list[Excuse]] = defaultdict(list)
    for excuse in excuses:
        granted[excuse.user_id].append(excuse)
    rows: Rows = defaultdict(list)
    chains: dict[tuple[str, str, int], Chain] = {}
    rules = read_rules(catalogue)
    for user_id in by_learner.keys() | granted.keys():
        learner = _Learner(user_id, rules, granted[user_id])
        for table, some in learner.after(by_learner[user_id], stepwise=stepwise).items():
            rows[table] += some
        chains |= {(user_id, *each): chain for each, chain in learner.chains.items()}
    return Truth(rows, chains)


def policy_of(catalogue: Mapping[str, Any], excuses: Iterable[Excuse] = ()) -> NaivePolicy:
    """What the rule book decides about streaks, with its own excused days and these."""
    streak = catalogue.get("streak", {})
    freezes, week = streak.get("freezes", {}), streak.get("week", {})
    everybody = {
        dt.date.fromordinal(day)
        for each in catalogue.get("excused", ())
        for day in range(each["first_day"].toordinal(), each["last_day"].toordinal() + 1)
    }
    return NaivePolicy(
        freezes.get("cap", 0),
        freezes.get("earn_every", 1),
        _WEEKDAYS.index(week.get("starts_on", "mon")),
        week.get("days", 1),
        excused_by(excuses) | everybody,
    )


class _Learner:
    """One learner's events, taken one by one."""

    def __init__(self, user_id: str, rules: Rules, excuses: Sequence[Excuse]) -> None:
        self._user_id = user_id
        self._excuses = excuses
        self._policy = policy_of(rules.catalogue, excuses)
        self._rules = rules
        self._stored: dict[UUID, Completion] = {}
        self._levels: dict[str, Row] = {}
        self.chains: dict[Occurrence, Chain] = {}

    def after(self, arrivals: Sequence[Completion], *, stepwise: bool) -> Rows:
        for arrival in arrivals:
            before = self._stored.get(arrival.event_id)
            if before is None or before.revision < arrival.revision:
                self._stored[arrival.event_id] = arrival
                if stepwise:
                    self._conclude(arrival)
        if arrivals and not stepwise:
            self._conclude(arrivals[-1])
        user_id, now = self._user_id, naive_progress(self._stored.values())
        clock = now.zone or now.offset or (None, None, None)
        hour = now.day_start or (None, None, None)
        learner = (
            user_id,
            tuple(runs(now.active_days)),
            tuple(runs(excused_by(self._excuses))),
            tuple(runs(now.travel_days)),
            now.zone and clock[2],
            now.offset and clock[2],
            *clock[:2],
            hour[2],
            *hour[:2],
        )
        return {
            "learner": [learner],
            "excuse": [tuple(excuse) for excuse in highest(self._excuses)],
            "completion": [tuple(completion) for completion in self._stored.values()],
            "learner_total": [(user_id, *cell, *sums) for cell, sums in now.totals.items()],
            "learner_day": [(user_id, *cell, *sums) for cell, sums in now.days.items()],
            "skill_level": list(self._levels.values()),
        }

    def _conclude(self, arrival: Completion) -> None:
        now = Measures(counting(self._stored.values()), THRESHOLDS, self._policy)
        self._relevel(arrival, now)
        self._unlock(arrival, now)

    def _relevel(self, arrival: Completion, measures: Measures) -> None:
        for topic in {completion.topic for completion in self._stored.values()}:
            now = measures.level(topic)
            before = self._levels[topic][2] if topic in self._levels else "beginner"
            if now != before:
                row = (self._user_id, topic, now, before, arrival.completed_at)
                self._levels[topic] = row

    def _unlock(self, arrival: Completion, measures: Measures) -> None:
        holding = dict(self._holding(measures))
        before = {each for each, chain in self.chains.items() if chain.stands}
        after = naive_unlocked(self._rules.achievements, holding, before)
        book, chains = self._rules.book, self.chains
        for each in before - after:
            lost = chains[each].lose(revoked=arrival.revoked, rule_version=book.version)
            chains[each] = lost
        for each in after - before:
            chain = chains.get(each, Chain())
            chains[each] = book.unlock(chain, each, arrival, holding[each])

    def _holding(self, measures: Measures) -> Iterator[tuple[Occurrence, tuple[int, int]]]:
        """The occurrences whose rules hold; of what is unlocked for good, nobody asks again."""
        for each in self._rules.achievements.values():
            if each.repeat is None and not each.withdraw and (each.id, 1) in self.chains:
                continue
            for number, found in measures.occurrences(each.rule, each.repeat).items():
                yield (each.id, number), found
