"""Finds what is allowed in a rule book but looks like a slip; one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from progress_worker.domain.achievements import Achievement, Rule
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rulebook_file import Levels

#: More days than anybody has practised in a row: ten years.
_MANY_DAYS = 3_653
#: What the contract allows in an event.
_MOST_HINTS = 1_000


def suspicions(book: RuleBook) -> Iterator[str]:
    """Everything suspicious, in the order of the rule book."""
    yield from _same(book.achievements)
    for achievement in book.achievements:
        for sentence in _rule(achievement.rule):
            yield f"{achievement.id}: {sentence}."
    yield from _without_goal(book.achievements)
    yield from _levels(book.content.levels)


def _same(achievements: tuple[Achievement, ...]) -> Iterator[str]:
    rules: dict[Rule, str] = {}
    names: dict[str, str] = {}
    for each in achievements:
        if (other := rules.setdefault(each.rule, each.id)) != each.id:
            yield f"{each.id} has the same rule as {other}."
        if (other := names.setdefault(each.name.casefold(), each.id)) != each.id:
            yield f"{each.id} has the same name as {other}."


def _rule(rule: Rule) -> Iterator[str]:
    if rule.streak and (rule.streak.days or 0) > _MANY_DAYS:
        yield f"a streak of {rule.streak.days} days takes more than ten years"
    if rule.streak and 7 * (rule.streak.weeks or 0) > _MANY_DAYS:
        yield f"a streak of {rule.streak.weeks} weeks takes more than ten years"
    counted = rule.exercises_completed
    if counted and counted.max_hints is not None and counted.max_hints >= _MOST_HINTS:
        yield f"`max_hints` excludes nothing: an event has at most {_MOST_HINTS}"
    for kind, parts in (("all", rule.all), ("any", rule.any)):
        if parts is None:
            continue
        if len(parts) == 1:
            yield f"`{kind}` has a single part: write that part alone"
        if len(set(parts)) < len(parts):
            yield f"`{kind}` has the same part twice"
        for part in parts:
            yield from _rule(part)


def _without_goal(achievements: tuple[Achievement, ...]) -> Iterator[str]:
    if silent := [each.id for each in achievements if each.goal is None]:
        yield f"no `goal` says how to earn {', '.join(silent)}."


def _levels(levels: Levels) -> Iterator[str]:
    named = [("intermediate", levels.intermediate), ("advanced", levels.advanced)]
    for (lower, least), (higher, asked) in zip(
        named, [*named[1:], ("expert", levels.expert)], strict=True
    ):
        if asked == least:
            yield f"the levels {lower} and {higher} ask for the same: nobody stays {lower}."
