"""The laws of unlocks: each comes with the event that earns it, and none is taken away."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.compare import compare
from progress_worker.domain.completion import Completion
from progress_worker.domain.derive import replacement
from progress_worker.domain.state import LearnerState
from tests.every_rule import BOOK, MONOTONE, POLICY, REQUIRES, THRESHOLDS, WRITTEN
from tests.folding import Store, cut, derive, of, stored
from tests.histories import cuts, fresh_histories, histories
from tests.naive import counting
from tests.naive_rules import measured, naive_unlocks


@given(histories())
def test_a_rule_unlocks_with_the_first_event_after_which_it_holds(
    arrivals: list[Completion],
) -> None:
    """It unlocks with that event only. The rule book decides the order of one event's unlocks."""
    store = stored(BOOK, arrivals)
    unlocked: dict[str, set[int]] = {user_id: set() for user_id in store.learners}
    for position, (arrival, effects) in enumerate(zip(arrivals, store.effects, strict=True)):
        done = counting(of(arrival.user_id, arrivals[: position + 1]))
        already = unlocked[arrival.user_id]
        now = naive_unlocks(WRITTEN, REQUIRES, done, already, THRESHOLDS, POLICY)
        expected = [
            (f"rule_{number}", *measured(WRITTEN[number], done, THRESHOLDS, POLICY))
            for number in sorted(now - already)
        ]
        unlocked[arrival.user_id] = now
        found = [(u.achievement.id, u.progress.current, u.progress.target) for u in effects.unlocks]
        assert found == expected
        assert all(unlock.trigger is arrival for unlock in effects.unlocks)
        assert all(unlock.user_id == arrival.user_id for unlock in effects.unlocks)


@given(histories(), cuts())
def test_unlocks_never_shrink_and_never_repeat(
    arrivals: list[Completion], lengths: list[int]
) -> None:
    store = Store(BOOK)
    before: dict[str, set[str]] = {}
    for batch in cut(arrivals, lengths):
        store.apply(batch)
        for user_id, rows in store.learners.items():
            unlocked = [unlock.achievement.id for unlock in rows.unlocks]
            assert len(unlocked) == len(set(unlocked))
            assert before.get(user_id, set()) <= set(unlocked)
            before[user_id] = set(unlocked)


@given(fresh_histories(), st.randoms(use_true_random=False), cuts())
def test_without_revisions_order_changes_no_monotone_unlock(
    arrivals: list[Completion], random: Any, lengths: list[int]
) -> None:
    shuffled = random.sample(arrivals, k=len(arrivals))
    monotone = {f"rule_{number}" for number in range(MONOTONE)}
    one, other = (
        {unlock.achievement.id for unlock in store.learners["ada"].unlocks} & monotone
        for store in (stored(BOOK, arrivals), stored(BOOK, shuffled, lengths))
    )
    assert one == other
    done = counting(arrivals)
    expected = naive_unlocks(WRITTEN[:MONOTONE], REQUIRES, done, set(), THRESHOLDS, POLICY)
    assert one == {f"rule_{number}" for number in expected}


@given(histories())
def test_the_unlocks_that_are_derived_hold_at_the_end(arrivals: list[Completion]) -> None:
    done = sorted(counting(of("ada", arrivals)), key=lambda c: (c.completed_at, c.event_id))
    before = LearnerState("ada", unlocked={"retired", "rule_0"})
    derived = derive(BOOK, before, done)
    unlocked = naive_unlocks(WRITTEN, REQUIRES, done, {0}, THRESHOLDS, POLICY)
    holding = {f"rule_{number}" for number in unlocked} - (set() if done else {"rule_0"})
    assert {unlock.achievement.id for unlock in derived.unlocks} == holding
    assert all(unlock.backdated and unlock.trigger in done for unlock in derived.unlocks)
    missing = {d.key for d in compare(before, derived) if d.part == "unlock"}
    state, unlocks = replacement(before, derived)
    assert {unlock.achievement.id for unlock in unlocks} == missing == holding - {"rule_0"}
    assert state.unlocked == holding | {"retired", "rule_0"}
