"""The laws of two rule books: live events and the walk, in any interleaving, end in one state."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from progress_worker.domain.compare import compare
from progress_worker.domain.completion import Completion
from progress_worker.domain.rule_diff import of_derived, rederive, uncounted
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.domain.state import LearnerState
from tests.every_rule import BOOK, WRITTEN
from tests.folding import Store, cut, derive, of, stored
from tests.histories import cuts, fresh_histories, histories
from tests.naive import counting
from tests.naive_rules import naive_unlocks

USERS = ("ada", "grace")
#: Every rule is of another achievement, with another target; filters come, go and stay.
NEWER = [
    *(rule for rule in WRITTEN if "skill_level" not in rule),
    {"exercises_completed": {"at_least": 1, "difficulty": "easy", "max_hints": 2}},
    {"exercises_completed": {"at_least": 2, "min_grade": 50}},
    {"skill_level": {"level": "intermediate"}},
]
NEWER_REQUIRES = {0: (20,), 20: (16,), 6: (2,), 2: (12, 9)}
NEWER_THRESHOLDS = ((1, 50), (3, 70), (5, 90))
NEWER_BOOK = read_rule_book(
    yaml.safe_dump(
        {
            "version": BOOK.version + 1,
            "passing_grade": 75,
            "levels": {
                level: {"exercises": exercises, "mean_grade": grade}
                for level, (exercises, grade) in zip(
                    ("intermediate", "advanced", "expert"), NEWER_THRESHOLDS, strict=True
                )
            },
            "achievements": [
                BOOK.content.achievements[0].model_dump(exclude={"rule"})
                | {
                    "id": f"newer_{number}",
                    "rule": rule,
                    "requires": [f"newer_{each}" for each in NEWER_REQUIRES.get(number, ())],
                }
                for number, rule in enumerate(NEWER)
            ],
        }
    )
)
#: A level may fall.
MONOTONE = {
    f"newer_{number}" for number, rule in enumerate(NEWER) if "skill_level" not in repr(rule)
}


@st.composite
def interleavings(draw: st.DrawFn) -> list[str | int]:
    """Batches by their length, learners whom the walk moves, and once the newer rule book."""
    steps = st.one_of(st.integers(1, 6), st.sampled_from(USERS))
    before = draw(st.lists(st.integers(1, 6), max_size=4))
    return [*before, "newer", *draw(st.lists(steps, max_size=12))]


def walked(arrivals: list[Completion], steps: list[str | int]) -> Store:
    """The store after these steps, the rest of the arrivals, and the end of the walk."""
    store, position = Store(BOOK), 0
    for step in steps:
        if step == "newer":
            store.activate(NEWER_BOOK)
        elif isinstance(step, str):
            store.move(step)
        else:
            store.apply(arrivals[position : position + step])
            position += step
    store.apply(arrivals[position:])
    for user_id in USERS:
        store.move(user_id)
    return store


@given(histories(), interleavings(), cuts())
def test_the_walk_ends_where_the_newer_book_alone_does(
    arrivals: list[Completion], steps: list[str | int], lengths: list[int]
) -> None:
    found, alone = walked(arrivals, steps), stored(NEWER_BOOK, arrivals, lengths)
    for user_id, rows in alone.learners.items():
        one, other = found.loaded(user_id), alone.loaded(user_id)
        assert one.rule_book == NEWER_BOOK.version
        assert one.active_days == other.active_days
        assert one.zone == other.zone
        assert one.counters == other.counters
        done = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
        assert list(compare(one, derive(NEWER_BOOK, one, done))) == []


@given(histories(), interleavings())
def test_nobody_is_unlocked_twice_and_what_holds_is_unlocked(
    arrivals: list[Completion], steps: list[str | int]
) -> None:
    store = walked(arrivals, steps)
    for user_id, rows in store.learners.items():
        names = [unlock.achievement.id for unlock in rows.unlocks]
        assert len(names) == len(set(names))
        done = counting(of(user_id, arrivals))
        kept = {number for number in range(len(NEWER)) if f"newer_{number}" in names}
        assert naive_unlocks(NEWER, NEWER_REQUIRES, done, kept, NEWER_THRESHOLDS) == kept


@given(fresh_histories(), interleavings(), cuts())
def test_without_revisions_the_unlocks_are_those_of_the_newer_book_alone(
    arrivals: list[Completion], steps: list[str | int], lengths: list[int]
) -> None:
    """But for those of the older book, which are kept, and what reads a level."""
    found, alone = walked(arrivals, steps), stored(NEWER_BOOK, arrivals, lengths)
    for user_id, rows in alone.learners.items():
        expected = {unlock.achievement.id for unlock in rows.unlocks} & MONOTONE
        unlocks = {unlock.achievement.id for unlock in found.learners[user_id].unlocks}
        assert unlocks & MONOTONE == expected


@given(histories(), cuts(), cuts())
def test_one_book_after_the_other_on_the_same_state(
    arrivals: list[Completion], lengths: list[int], others: list[int]
) -> None:
    """Cached learners keep nothing of the book before: to and fro is as good as never."""
    store = Store(BOOK)
    for batch in cut(arrivals, lengths):
        store.apply(batch)
    store.activate(NEWER_BOOK)
    for user_id in USERS:
        store.move(user_id)
    store.active = BOOK
    for user_id in USERS:
        store.move(user_id)
    alone = stored(BOOK, arrivals, others)
    for user_id in alone.learners:
        one, other = store.loaded(user_id), alone.loaded(user_id)
        assert one.counters == other.counters
        assert {t: s.level for t, s in one.levels.items() if s.level != "beginner"} == {
            t: s.level for t, s in other.levels.items() if s.level != "beginner"
        }


@given(histories(), cuts())
def test_what_is_stored_answers_for_a_newer_book_as_the_completions_do(
    arrivals: list[Completion], lengths: list[int]
) -> None:
    store = stored(BOOK, arrivals, lengths)
    for user_id, rows in store.learners.items():
        learner = store.loaded(user_id)
        done = sorted(rows.completions.values(), key=lambda c: (c.completed_at, c.event_id))
        missing = uncounted(NEWER_BOOK, learner)
        assert missing
        counted = LearnerState(user_id, counters=dict.fromkeys(missing, 0))
        for completion in counting(of(user_id, arrivals)):
            NEWER_BOOK.counters.count(counted, completion, 1)
        can_unlock = learner.overall.completions > 0
        found = rederive(NEWER_BOOK, learner, counted, can_unlock=can_unlock)
        expected = of_derived(derive(NEWER_BOOK, learner, done))
        assert found.held == expected.held
        assert found.losses == expected.losses
        one, other = found.state, expected.state
        assert one.counters == other.counters
        assert one.streaks == other.streaks
        topics = one.levels.keys() | other.levels.keys()
        assert all(one.level(each).level == other.level(each).level for each in topics)
