"""What an achievement requires is part of its rule."""

from __future__ import annotations

import pytest

from progress_worker.domain.completion import Completion
from progress_worker.domain.reducer import apply
from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from tests.folding import Store
from tests.histories import completion

ENTRY = (
    "- {{id: {}, name: N, description: D, category: c, icon: i, tier: gold, points: 1, "
    "rule: {}, requires: [{}]{}}}\n"
)
ONE, TWO = (f"{{exercises_completed: {{at_least: {n}}}}}" for n in (1, 2))
HARD = "{exercises_completed: {at_least: 1, difficulty: hard}}"


def text(*entries: tuple[str, str, str]) -> str:
    return "version: 1\nachievements:\n" + "".join(
        ENTRY.format(name, rule, *[*required.split("; "), ""][:2])
        for name, rule, required in entries
    )


def unlocks(book: RuleBook, *arrivals: Completion) -> list[list[str]]:
    state = book.new_learner("ada")
    return [
        [unlock.achievement.id for unlock in apply(book, state, arrival, None).unlocks]
        for arrival in arrivals
    ]


def test_it_waits_for_what_it_requires_and_is_noticed_then() -> None:
    book = read_rule_book(text(("late", ONE, "hard"), ("hard", HARD, "")))
    hard = completion(3, difficulty="hard")
    assert unlocks(book, completion(1), completion(2), hard) == [[], [], ["late", "hard"]]
    assert unlocks(book, hard) == [["late", "hard"]]


def test_the_order_of_the_rule_book_does_not_matter() -> None:
    entries = [("a", ONE, "b"), ("b", ONE, "c"), ("c", ONE, "d"), ("d", TWO, "")]
    for written in (entries, entries[::-1], entries[1:] + entries[:1]):
        expected = [name for name, _, _ in written]
        found = unlocks(read_rule_book(text(*written)), completion(1), completion(2))
        assert found == [[], expected]


def test_what_is_missing_is_shown_once_the_rule_holds() -> None:
    book = read_rule_book(text(("a", TWO, "b, c"), ("b", ONE, ""), ("c", HARD, "")))
    state, (_, condition) = book.new_learner("ada"), book.conditions[0]
    shown = [condition.progress(state)]
    for event, difficulty in enumerate(("easy", "easy", "hard")):
        apply(book, state, completion(event, difficulty=difficulty), None)
        shown.append(condition.progress(state))
    assert [tuple(progress[:3]) for progress in shown] == [
        ("exercises_completed", 0, 2),
        ("exercises_completed", 1, 2),
        ("achievements_required", 1, 2),
        ("exercises_completed", 3, 2),
    ]
    assert [part[:3] for part in shown[2].parts] == [
        ("exercises_completed", 2, 2),
        ("unlocked[achievement=b]", 1, 1),
        ("unlocked[achievement=c]", 0, 1),
    ]


def test_a_requirement_that_is_kept_is_met() -> None:
    """Though its rule no longer holds, and also for a rule book that comes later."""
    hard = completion(1, difficulty="hard")
    before = read_rule_book(text(("hard", HARD, "")))
    after = read_rule_book(
        text(("late", ONE, "hard"), ("hard", HARD, "")).replace("version: 1", "version: 2")
    )
    store = Store(before)
    store.apply([hard, hard._replace(revision=1, difficulty="easy")])
    store.activate(after)
    (unlock,) = store.move("ada")
    assert unlock.achievement.id == "late"
    assert unlock.backdated


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (text(("a", ONE, "b")), "a requires b, which does not exist"),
        (text(("a", ONE, "b, b"), ("b", ONE, "")), "a requires b twice"),
        (text(("a", ONE, "a")), "achievements require each other in a circle: a requires a"),
        (
            text(("a", ONE, "b"), ("b", ONE, "c"), ("c", ONE, "a")),
            "achievements require each other in a circle: a requires b requires c requires a",
        ),
        (text(("a", ONE, "b"), ("b", ONE, "; , hidden: true")), "a requires b, which is hidden"),
        (text(("a", ONE, "b"), ("b", ONE, "; , status: paused")), "a requires b, which is paused"),
        (
            text(("a", ONE, "b"), ("b", ONE, "; , status: withdrawn")),
            "a requires b, which is withdrawn",
        ),
    ],
)
def test_a_wrong_requirement_is_refused_in_one_sentence(wrong: str, sentence: str) -> None:
    with pytest.raises(RuleBookError) as caught:
        read_rule_book(wrong)
    assert caught.value.sentences == (f"the rule book is wrong at its top: {sentence}",)


def test_what_shows_no_progress_can_be_required() -> None:
    read_rule_book(text(("a", ONE, "b"), ("b", ONE, "; , hidden: progress")))


def test_requirements_need_a_newer_release() -> None:
    assert read_rule_book(text(("a", ONE, "b"), ("b", ONE, ""))).content.format == 4
