"""Laws of excuses beside completions: the order in which facts arrive changes nothing."""

from __future__ import annotations

import datetime as dt
from itertools import product
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.calendar import LocalClock
from progress_worker.domain.compare import compare
from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import replacement
from progress_worker.domain.excuses import Excuse
from tests.every_rule import BOOK, MONOTONE, POLICY, REQUIRES, THRESHOLDS, WRITTEN
from tests.folding import Store, derive
from tests.histories import MIDNIGHT, fresh_histories, histories
from tests.naive import counting, naive_progress
from tests.naive_rules import measured, naive_unlocks
from tests.naive_streaks import naive_expiry
from tests.naive_travel import NaivePolicy, excused_by

Fact = Completion | Excuse


@st.composite
def excuses(draw: st.DrawFn, *, fresh: bool = False) -> list[Excuse]:
    """Excuses of ada; with `fresh`, none is revised or revoked."""
    identities = st.tuples(st.integers(1, 3), st.just(0) if fresh else st.integers(0, 2))
    said = draw(
        st.dictionaries(
            identities,
            st.tuples(
                st.integers(-3, 9), st.integers(0, 4), st.just(False) if fresh else st.booleans()
            ),
            max_size=5,
        )
    )
    first = MIDNIGHT.date()
    return [
        Excuse(
            "ada",
            UUID(int=number),
            revision,
            revoked,
            MIDNIGHT,
            "pause",
            first + dt.timedelta(days=day),
            first + dt.timedelta(days=day + more),
        )
        for (number, revision), (day, more, revoked) in said.items()
    ]


def told(facts: list[Fact], lengths: list[int]) -> Store:
    """The store after these facts; completions between two excuses may share a batch."""
    store, batch, left = Store(BOOK), list[Completion](), iter(lengths)
    size = next(left, 1)
    for fact in facts:
        if isinstance(fact, Completion):
            batch.append(fact)
        if isinstance(fact, Excuse) or len(batch) >= size:
            store.apply(batch)
            batch, size = [], next(left, 1)
        if isinstance(fact, Excuse):
            store.excuse(fact)
    store.apply(batch)
    return store


def policy_with(facts: list[Fact]) -> NaivePolicy:
    days = excused_by(fact for fact in facts if isinstance(fact, Excuse))
    return POLICY._replace(excused=POLICY.excused | days)


def completions(facts: list[Fact]) -> list[Completion]:
    return [f for f in facts if isinstance(f, Completion) and f.user_id == "ada"]


@given(histories(), excuses(), st.randoms(use_true_random=False), st.lists(st.integers(1, 6)))
def test_excuses_and_completions_commute(
    arrivals: list[Completion], said: list[Excuse], random: Any, lengths: list[int]
) -> None:
    facts: list[Fact] = [*arrivals, *said, *random.choices([*arrivals, *said], k=3)]
    random.shuffle(facts)
    store = told(facts, lengths)
    if "ada" not in store.learners:
        return
    state, done = store.loaded("ada"), completions(facts)
    naive = naive_progress(done, THRESHOLDS, policy_with(facts))
    assert list(state.active_days) == naive.active_days
    assert set(state.streaks.excused) == excused_by(f for f in facts if isinstance(f, Excuse))
    assert set(state.streaks.travelled) == naive.travel_days
    assert state.streaks.longest_days(BOOK.streak_policy) == naive.longest_streak
    assert state.streaks.longest_weeks(BOOK.streak_policy) == naive.longest_weeks
    rows = store.learners["ada"]
    oldest_first = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
    derived = derive(BOOK, state, oldest_first, rows.excuses.values())
    assert list(compare(state, derived)) == []
    assert replacement(state, derived)[1] == []  # whatever holds was unlocked when it came to hold


@given(histories(), excuses(), st.randoms(use_true_random=False), st.lists(st.integers(1, 6)))
def test_the_stored_expiry_is_the_one_of_the_facts(
    arrivals: list[Completion], said: list[Excuse], random: Any, lengths: list[int]
) -> None:
    facts: list[Fact] = [*arrivals, *said]
    random.shuffle(facts)
    store = told(facts, lengths)
    if "ada" in store.learners:
        assert store.learners["ada"].expiry == naive_expiry_at(facts)


def naive_expiry_at(facts: list[Fact]) -> dt.datetime | None:
    """The first hour of the day after the last one on which an activity saves the streak."""
    policy = policy_with(facts)
    naive = naive_progress(completions(facts), THRESHOLDS, policy)
    if not naive.active_days:
        return None
    active = {day.toordinal() for day in naive.active_days}
    excused = {day.toordinal() for day in policy.excused | naive.travel_days} - active
    last = naive_expiry(active, excused, policy.cap, policy.earn_every, max(active))
    assert last is not None
    zone: Any = naive.zone and naive.zone[2]
    offset: Any = naive.offset and naive.offset[2]
    hour: Any = naive.day_start and naive.day_start[2]
    clock = LocalClock(zone, offset, hour, BOOK.day_starts)
    first = dt.datetime.combine(dt.date.fromordinal(last), dt.time(), dt.UTC)
    hours = (first + dt.timedelta(hours=number) for number in range(-24, 96))
    return next(each for each in hours if clock.day_of(each).toordinal() > last)


@given(fresh_histories(), excuses(fresh=True), st.randoms(use_true_random=False))
def test_what_is_unlocked_depends_on_the_facts_alone(
    arrivals: list[Completion], said: list[Excuse], random: Any
) -> None:
    """Of monotone rules, as long as nothing is taken back; each is unlocked once."""
    facts: list[Fact] = [*arrivals, *said]
    random.shuffle(facts)
    store = told(facts, [])
    found = [unlock.achievement.id for unlock in store.learners["ada"].unlocks]
    done = counting(completions(facts))
    rules, policy = WRITTEN[:MONOTONE], policy_with(facts)
    unlocked = naive_unlocks(rules, REQUIRES, done, set(), THRESHOLDS, policy)
    expected = {f"rule_{number}" for number in unlocked}
    assert len(found) == len(set(found))
    assert {name for name in found if int(name[5:]) < MONOTONE} == expected


@given(fresh_histories(), excuses(fresh=True))
def test_an_excuse_unlocks_with_the_completion_that_then_first_meets_the_rule(
    arrivals: list[Completion], said: list[Excuse]
) -> None:
    store = told([*arrivals, *said], [len(arrivals)])
    done = sorted(counting(arrivals), key=lambda c: (c.completed_at, c.event_id))
    backdated = [unlock for unlock in store.learners["ada"].unlocks if unlock.backdated]
    for unlock in backdated:
        # What it requires may be met later than its own rule. The last excuse that was told before
        # the unlock is not known, but one of them did it.
        rules = [WRITTEN[position] for position in required(int(unlock.achievement.id[5:]))]
        triggers = set()
        for rule, told_so_far in product(rules, range(1, len(said) + 1)):
            policy = policy_with(list(said[:told_so_far]))
            for at in range(len(done)):
                current, target = measured(rule, done[: at + 1], THRESHOLDS, policy)
                if current >= target:
                    triggers.add(done[at].event_id)
                    break
        assert unlock.trigger.event_id in triggers


def required(position: int) -> set[int]:
    """The rule at that position, and all that it requires."""
    others = (required(other) for other in REQUIRES.get(position, ()))
    return {position}.union(*others)
