"""Each mistake in a rule book gets a sentence, and the built-in one makes sense."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from statistics import mean
from typing import get_args

import pytest

from progress_worker.domain.achievements import Achievement
from progress_worker.domain.rule_kinds import Rule
from progress_worker.domain.rulebook import read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError, parse_rule_book
from progress_worker.domain.vocabulary import Tier

TIERS: tuple[Tier, ...] = get_args(Tier)
DEFAULT = parse_rule_book(
    files("progress_worker").joinpath("domain", "rulebook.yaml").read_text("utf-8")
)
ALL = pytest.mark.parametrize("achievement", DEFAULT.each_achievement(), ids=lambda found: found.id)

GOOD = "{id: good, name: G, description: D, category: c, tier: gold, points: 1, icon: i, rule: %s}"


def written(rule: str) -> str:
    return f"version: 1\nachievements:\n- {GOOD % '{streak: {days: 1}}'}\n- " + (
        GOOD % rule
    ).replace("id: good", "id: bad")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("{}", "at achievements.1.rule (bad): a rule has exactly one kind"),
        (
            "{streak: {days: 1}, time_spent: {seconds: 1}}",
            "at achievements.1.rule (bad): a rule has exactly one kind",
        ),
        ("{strek: {days: 1}}", "at achievements.1.rule.strek (bad): Extra inputs are not"),
        ("{streak: {days: 0}}", "at achievements.1.rule.streak.days (bad): Input should be"),
        ("{streak: {days: 2000000000}}", "at achievements.1.rule.streak.days (bad): Input"),
        ("{streak: {days: '3'}}", "at achievements.1.rule.streak.days (bad): Input should be"),
        ("{streak: {days: true}}", "at achievements.1.rule.streak.days (bad): Input should be"),
        ("{all: []}", "at achievements.1.rule.all (bad): Tuple should have at least 1 item"),
        (
            "{any: [{streak: {days: 1}}, {skill_level: {level: beginner}}]}",
            "at achievements.1.rule.any.1.skill_level (bad): everybody is a beginner",
        ),
        (
            "{skill_level: {level: expert, topic: a, topics: 2}}",
            "at achievements.1.rule.skill_level (bad): give `topic` or `topics`, not both",
        ),
        (
            "{exercises_completed: {at_least: 1, min_grade: 89.995}}",
            "at achievements.1.rule.exercises_completed (bad): grades have two decimals",
        ),
        (
            "{exercises_completed: {at_least: 1, difficulty: brutal}}",
            "at achievements.1.rule.exercises_completed.difficulty (bad): Input should be 'easy'",
        ),
        (
            "{time_spent: {seconds: 1, topic: ''}}",
            "at achievements.1.rule.time_spent.topic (bad): String should have at least 1",
        ),
        (
            "{streak: {}}",
            "at achievements.1.rule.streak (bad): give `days` or `weeks`, one of both",
        ),
        ("{streak: {days: 1, weeks: 1}}", "rule.streak (bad): give `days` or `weeks`, one of both"),
        (
            "{active_days: {at_least: 0}}",
            "rule.active_days.at_least (bad): Input should be greater",
        ),
        ("&self {all: [*self]}", "at achievements.1.rule.all.0 (bad): Recursion error"),
    ],
)
def test_a_wrong_rule_is_named_by_its_place(rule: str, sentence: str) -> None:
    assert sentence in refusal(written(rule))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the rule book is wrong at its top: Input should be a valid dictionary"),
        ("version: 1", "the rule book is wrong at achievements: Field required"),
        ("version: 1\nachievements: []", "wrong at achievements: Tuple should have at least 1"),
        ("version: 1\nachievements: [7]", "wrong at achievements.0: Input should be a valid"),
        ("version: 1\nachievements:\n- id: [", "the rule book is not YAML in line 3: "),
        (
            "day_starts_at: [{hour: 4, from: 2026-02-01}, {hour: 3, from: 2026-01-01}]\n"
            + written("{streak: {days: 2}}"),
            "the rule book is wrong at its top: the dates of `day_starts_at` must ascend",
        ),
        (
            "day_starts_at: [{hour: 24, from: 2026-01-01}]\n" + written("{streak: {days: 2}}"),
            "wrong at day_starts_at.0.hour: Input should be less than or equal to 23",
        ),
        (
            "day_starts_at: [{hour: 4, from: soon}]\n" + written("{streak: {days: 2}}"),
            "wrong at day_starts_at.0.from: Input should be a valid date",
        ),
        (
            "streak: {freezes: {cap: -1}}\n" + written("{streak: {days: 2}}"),
            "wrong at streak.freezes.cap: Input should be greater than or equal to 0",
        ),
        (
            "streak: {freezes: {cap: 1, earn_every: 0}}\n" + written("{streak: {days: 2}}"),
            "wrong at streak.freezes.earn_every: Input should be greater than or equal to 1",
        ),
        (
            "streak: {week: {starts_on: monday}}\n" + written("{streak: {days: 2}}"),
            "wrong at streak.week.starts_on: Input should be 'mon', 'tue'",
        ),
        (
            "streak: {week: {days: 8}}\n" + written("{streak: {days: 2}}"),
            "wrong at streak.week.days: Input should be less than or equal to 7",
        ),
        (
            "excused: [{first_day: 2026-12-26, last_day: 2026-12-24, label: A}]\n"
            + written("{streak: {days: 2}}"),
            "wrong at excused.0: `first_day` lies after `last_day`",
        ),
        (
            "excused: [{first_day: 2026-01-01, last_day: 2027-01-02, label: A}]\n"
            + written("{streak: {days: 2}}"),
            "wrong at excused.0: at most 366 days in one entry",
        ),
        ("version: 1\n\0", "the rule book is not YAML: unacceptable character"),
        ("version: 2026-13-45", "the rule book is not YAML: month must be in 1..12"),
        ("version: 1\n[x]: 1", "the rule book is not YAML in line 2: found unhashable key"),
        ("version: 1\nversion: 2", "not YAML in line 2: the key 'version' stands twice"),
        (
            written("{streak: {days: 2}}").replace("id: bad", "id: good"),
            "the rule book is wrong at its top: the id 'good' stands twice",
        ),
        (
            written("{streak: {days: 2}}").replace("version: 1", "version: 0"),
            "the rule book is wrong at version: Input should be greater than or equal to 1",
        ),
        (
            written("{streak: {days: 2}}").replace("tier: gold", "tier: tin"),
            "the rule book is wrong at achievements.0.tier (good): Input should be 'bronze'",
        ),
        (
            written("{streak: {days: 2}}").replace("id: bad", "id: bad, goal: ''"),
            "wrong at achievements.1.goal (bad): String should have at least 1 character",
        ),
        (
            "topics: {algorithms: {name: ''}}\n" + written("{streak: {days: 2}}"),
            "wrong at topics.algorithms.name: String should have at least 1 character",
        ),
        (
            "topics: {algorithms: {}}\n" + written("{streak: {days: 2}}"),
            "the rule book is wrong at topics.algorithms.name: Field required",
        ),
        (
            f"topics: {{{'a' * 129}: {{name: A}}}}\n" + written("{streak: {days: 2}}"),
            "[key]: String should have at most 128 characters",
        ),
        (
            'topics: {algorithms: {name: "A\\0"}}\n' + written("{streak: {days: 2}}"),
            "the rule book is wrong at topics.algorithms.name: String should match pattern",
        ),
        (
            "topics: {a: {name: A}, a: {name: B}}\n" + written("{streak: {days: 2}}"),
            "not YAML in line 1: the key 'a' stands twice",
        ),
    ],
)
def test_a_wrong_rule_book_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    assert sentence in refusal(text)


def refusal(text: str) -> str:
    with pytest.raises(RuleBookError, match=r"^the rule book is ") as caught:
        parse_rule_book(text)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_forgotten_dash_does_not_swallow_an_achievement() -> None:
    entry = "- id: {}\n  name: N\n  description: D\n  category: c\n  tier: gold\n"
    entry += "  points: 1\n  icon: i\n  rule: {{streak: {{days: 1}}}}\n"
    text = "version: 1\nachievements:\n" + entry.format("one") + entry.format("two")
    assert len(parse_rule_book(text).achievements) == 2
    assert "line 11: the key 'id' stands twice" in refusal(text.replace("- id: two", "  id: two"))


def test_goals_and_topics_are_part_of_the_content_and_their_absence_is_not() -> None:
    plain = written("{streak: {days: 2}}")
    named = "topics: {algorithms: {name: Algorithms}}\n" + plain
    goal = plain.replace("id: bad", "id: bad, goal: Practise two days in a row")
    said = [parse_rule_book(text) for text in (plain, named, goal)]
    assert len({content.digest for content in said}) == 3
    # What such a rule book had before there were goals and topics.
    assert said[0].digest == "09c9acd5f257870a7059c7a7e39605e38c0c4cc8c2db7a9b9a2b3b65c738a0b9"
    assert said[2].achievements[1].goal == "Practise two days in a row"
    assert said[0].achievements[1].goal is None


@pytest.mark.parametrize(
    ("before", "format_"),
    [
        ("", 1),
        ("passing_grade: 70\n", 1),
        ("topics: {algorithms: {name: Algorithms}}\n", 2),
        ("topics: {}\n", 2),
        ("day_starts_at: [{hour: 4, from: 2026-01-01}]\n", 3),
        ("streak: {week: {days: 3}}\n", 3),
        ("excused: [{first_day: 2026-12-24, last_day: 2026-12-26, label: Holidays}]\n", 3),
    ],
)
def test_a_file_with_keys_that_are_new_has_a_newer_format(before: str, format_: int) -> None:
    """Also where the key says nothing: an older release refuses the key itself."""
    text = before + written("{skill_level: {level: expert, topics: 2}}")
    assert parse_rule_book(text).format == format_
    goal = parse_rule_book(text.replace("id: bad", "id: bad, goal: null"))
    assert goal.format == max(2, format_)


@pytest.mark.parametrize(
    ("rule", "format_"),
    [
        ("{streak: {days: 3}}", 1),
        ("{streak: {weeks: 3}}", 3),
        ("{all: [{streak: {days: 3}}, {any: [{active_days: {at_least: 9}}]}]}", 3),
    ],
)
def test_a_rule_of_a_new_kind_has_a_newer_format(rule: str, format_: int) -> None:
    assert parse_rule_book(written(rule)).format == format_


def test_a_topic_is_shown_by_its_display_name() -> None:
    book = read_rule_book(
        "topics: {data-structures: {name: Data structures}}\n" + written("{streak: {days: 2}}")
    )
    assert book.topic_name("data-structures", "en") == "Data structures"
    assert book.topic_name("graphs", "en") == "graphs"


def rules(rule: Rule) -> Iterator[Rule]:
    yield rule
    for part in (rule.all or ()) + (rule.any or ()):
        yield from rules(part)


def test_the_default_rule_book_has_every_kind_of_rule() -> None:
    assert 40 <= len(DEFAULT.achievements) <= 50
    found = [rule for achievement in DEFAULT.achievements for rule in rules(achievement.rule)]
    kinds = {kind for rule in found for kind in rule.model_fields_set}
    assert kinds == set(Rule.model_fields)
    filtered = [rule.exercises_completed for rule in found if rule.exercises_completed]
    assert any(f.model_fields_set == {"at_least"} for f in filtered)
    for name in ("difficulty", "min_grade", "max_hints"):
        assert any(name in f.model_fields_set for f in filtered), name
    levels = [rule.skill_level for rule in found if rule.skill_level]
    assert any(level.topics is None for level in levels)
    assert any(level.topics is not None for level in levels)


def test_the_default_rule_book_asks_for_no_topic() -> None:
    """Topics are the platform's free text: a rule that names one might never be met."""
    for achievement in DEFAULT.achievements:
        for rule in rules(achievement.rule):
            for kind in (rule.exercises_completed, rule.skill_level, rule.time_spent):
                assert kind is None or kind.topic is None, achievement.id


def test_no_two_achievements_look_the_same() -> None:
    for name in ("id", "name", "description", "goal", "icon", "rule"):
        values = [getattr(achievement, name) for achievement in DEFAULT.achievements]
        assert len(set(values)) == len(values), name


def test_points_rise_with_the_tier() -> None:
    points: dict[Tier, list[int]] = defaultdict(list)
    for achievement in DEFAULT.each_achievement():
        points[achievement.tier].append(achievement.points)
    for lower, higher in pairwise(TIERS):
        assert mean(points[lower]) * 1.5 < mean(points[higher])
        assert max(points[lower]) <= min(points[higher])


@ALL
def test_a_description_speaks_to_the_learner(achievement: Achievement) -> None:
    words = achievement.description.split()
    assert "you" in {word.lower().strip(",.?") for word in words}
    assert achievement.description[-1] in ".?!"
    assert 6 <= len(words) <= 30
    assert achievement.icon.replace("-", "").isalpha()
    assert achievement.icon.islower()


@ALL
def test_a_goal_says_what_to_do(achievement: Achievement) -> None:
    assert achievement.goal is not None
    first, *others = achievement.goal.split()
    assert first in {"Complete", "Practise", "Spend", "Get", "Score", "Reach"}
    assert 2 <= len(others) <= 17
    assert achievement.goal[-1].isalpha()
    assert "you" not in others
