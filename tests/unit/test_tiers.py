"""Tiers are achievements of one family by one rule, each with a target of its own."""

from __future__ import annotations

import pytest

from progress_worker.domain.reducer import apply
from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from progress_worker.domain.suspicions import suspicions
from tests.histories import completion

DESCRIBED = "name: Hard, description: D, goal: G, category: c, icon: i"
TWO = "{id: two, target: 2, tier: bronze, points: 1}"
FIVE = "{id: five, target: 5, tier: gold, points: 9, name: Five}"
RULE = "{exercises_completed: {at_least: target, difficulty: hard}}"
PLAIN = f"- {{{DESCRIBED}, id: %s, tier: gold, points: 1, rule: %s}}\n"


def text(rule: str = RULE, tiers: str = f"{TWO}, {FIVE}", more: str = "") -> str:
    entry = f"- {{id: hard, {DESCRIBED}, rule: {rule}, tiers: [{tiers}]{more}}}\n"
    return f"version: 1\nachievements:\n{entry}"


def book_of(rule: str = RULE, tiers: str = f"{TWO}, {FIVE}", more: str = "") -> RuleBook:
    return read_rule_book(text(rule, tiers, more))


def test_each_tier_is_an_achievement() -> None:
    two, five = book_of().achievements
    assert (two.id, two.name, two.tier, two.points, two.family) == (
        "two",
        "Hard",
        "bronze",
        1,
        "hard",
    )
    assert (five.id, five.name, five.tier, five.points) == ("five", "Five", "gold", 9)
    assert two.goal == five.goal == "G"
    assert two.rule.exercises_completed
    assert five.rule.exercises_completed
    assert two.rule.exercises_completed.at_least == 2
    assert five.rule.exercises_completed.model_dump(exclude_defaults=True) == {
        "at_least": 5,
        "difficulty": "hard",
    }
    assert {each.family for each in book_of(more=", family: grit").achievements} == {"grit"}


def test_tiers_are_unlocked_one_by_one_and_share_a_counter() -> None:
    book = book_of()
    state = book.new_learner("ada")
    unlocks = [
        [
            u.achievement.id
            for u in apply(book, state, completion(n, difficulty="hard"), None).unlocks
        ]
        for n in range(6)
    ]
    assert unlocks == [[], ["two"], [], [], ["five"], []]
    assert state.counters == {"difficulty=hard": 6}


@pytest.mark.parametrize(
    "rule",
    [
        "{time_spent: {seconds: target}}",
        "{streak: {days: target}}",
        "{streak: {weeks: target}}",
        "{skill_level: {level: expert, topics: target}}",
        "{distinct_topics: {at_least: target}}",
        "{active_days: {at_least: target}}",
        "{all: [{streak: {days: 3}}, {any: [{active_days: {at_least: target}}]}]}",
        "{exercises_completed: {at_least: target, max_hints: 0, min_grade: 0, max_seconds: 0}}",
    ],
)
def test_every_kind_of_rule_has_a_place_for_the_target(rule: str) -> None:
    by_tiers = [each.rule for each in book_of(rule).achievements]
    by_hand = read_rule_book(
        "version: 1\nachievements:\n"
        + "".join(PLAIN % (f"n{n}", rule.replace("target", str(n))) for n in (2, 5))
    )
    assert by_tiers == [each.rule for each in by_hand.achievements]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (text(rule="{streak: {days: 3}}"), "achievements.0 (hard): write the word `target` in"),
        (text(tiers=""), "achievements.0.tiers (hard): Tuple should have at least 1 item"),
        (text(tiers=f"{FIVE}, {TWO}"), "(hard): the targets of `tiers` must ascend, and two"),
        (text(tiers=f"{TWO}, {TWO}"), "(hard): the targets of `tiers` must ascend, and two does"),
        (text(tiers=TWO.replace("target: 2", "target: 0")), "tiers.0.target (hard): Input should"),
        (text(tiers=TWO.replace("2", "target")), "tiers.0.target (hard): Input should be a valid"),
        (text(tiers="{id: two, tier: gold, points: 1}"), "tiers.0.target (hard): Field required"),
        (text(tiers=FIVE.replace("five", "Five")), "tiers.0.id (hard): String should match"),
        (text(more=", tier: gold"), "achievements.0.tier (hard): Extra inputs are not"),
        (text() + PLAIN % ("two", "{streak: {days: 1}}"), "at its top: the id 'two' stands twice"),
        (text() + PLAIN % ("hard", "{streak: {days: 1}}"), "its top: the id 'hard' stands twice"),
        (text() + text().split("\n", 2)[2], "at its top: the id 'hard' stands twice"),
        (
            text() + PLAIN % ("none", "{streak: {days: target}}"),
            "achievements.1 (none): the word `target` stands in the rule, and there are no `tiers`",
        ),
        (
            text() + PLAIN % ("some, family: F", "{streak: {days: 1}}"),
            "achievements.1.family (some): String should match",
        ),
    ],
)
def test_a_wrong_series_is_refused_in_one_sentence(wrong: str, sentence: str) -> None:
    with pytest.raises(RuleBookError) as caught:
        read_rule_book(wrong)
    assert len(caught.value.sentences) == 1
    assert sentence in caught.value.sentences[0]


def test_a_tier_may_have_the_id_of_its_series() -> None:
    """So an achievement of before can become the first of several."""
    book = book_of(tiers=TWO.replace("two", "hard"))
    assert [each.id for each in book.achievements] == ["hard"]


@pytest.mark.parametrize(
    ("suspicious", "sentences"),
    [
        (text(), []),
        (text(tiers=TWO), ["two is the only achievement of its family, hard."]),
        (
            text(tiers=f"{TWO.replace('bronze', 'platinum')}, {FIVE}"),
            ["five asks for more than two and is worth less."],
        ),
        (
            text() + PLAIN % ("hard2", "{streak: {days: 1}}"),
            ["hard2 has the same name as two."],
        ),
    ],
)
def test_a_series_that_looks_like_a_slip_is_named(suspicious: str, sentences: list[str]) -> None:
    assert list(suspicions(read_rule_book(suspicious))) == sentences


def test_tiers_and_families_need_a_newer_release() -> None:
    family = "version: 1\nachievements:\n" + PLAIN % ("a, family: f", "{streak: {days: 1}}")
    assert read_rule_book(family).content.format == 4
    assert book_of().content.format == 4
    assert book_of().digest != book_of(tiers=TWO).digest
