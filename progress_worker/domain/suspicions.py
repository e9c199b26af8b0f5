"""Finds what is allowed in a rule book but looks like a slip; one sentence each."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from progress_worker.domain.achievements import (
    Achievement,
    AchievementTier,
    TieredAchievement,
)
from progress_worker.domain.completion_filters import CompletionFilters, month_and_day
from progress_worker.domain.languages import Texts, fallbacks
from progress_worker.domain.rule_kinds import Rule
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rulebook_file import Levels
from progress_worker.domain.vocabulary import TIERS, WEEKDAYS

#: More days than anybody has practised in a row: ten years.
_MANY_DAYS = 3_653
#: What the contract allows in an event.
_MOST_HINTS = 1_000
_MOST_SECONDS = 86_400
_FIRST_DAY = dt.date(1999, 12, 31)  # in the west of UTC
#: In so many days, every date of the year falls on every weekday.
_ALL_DAYS = 41 * 366


def suspicions(book: RuleBook) -> Iterator[str]:
    """Everything suspicious, in the order of the rule book."""
    yield from _same(book.achievements)
    yield from _families(book)
    yield from _never_met(book.achievements)
    for achievement in book.achievements:
        for sentence in _rule(achievement.rule):
            yield f"{achievement.id}: {sentence}."
    yield from _without_goal(book.achievements)
    yield from _untranslated(book)
    yield from _levels(book.content.levels)


def _same(achievements: tuple[Achievement, ...]) -> Iterator[str]:
    rules: dict[Rule, str] = {}
    names: dict[str, Achievement] = {}
    for each in achievements:
        if (other := rules.setdefault(each.rule, each.id)) != each.id:
            yield f"{each.id} has the same rule as {other}."
        named = names.setdefault(each.name.casefold(), each)
        if named is not each and (each.family is None or each.family != named.family):
            yield f"{each.id} has the same name as {named.id}."


def _never_met(achievements: tuple[Achievement, ...]) -> Iterator[str]:
    closed = {each.id for each in achievements if each.status == "closed"}
    for each in achievements:
        for name in each.requires:
            if name in closed and each.is_judged:
                yield f"{each.id} requires {name}, which is closed: only who has that can get it."


def _families(book: RuleBook) -> Iterator[str]:
    families = Counter(each.family for each in book.achievements)
    for each in book.achievements:
        if each.family is not None and families[each.family] == 1:
            yield f"{each.id} is the only achievement of its family, {each.family}."
    for entry in book.content.achievements:
        if isinstance(entry, TieredAchievement):
            for lower, higher in pairwise(entry.tiers):
                if _worth(lower) > _worth(higher):
                    yield f"{higher.id} asks for more than {lower.id} and is worth less."


def _worth(tier: AchievementTier) -> tuple[int, int]:
    return TIERS.index(tier.tier), tier.points


def _rule(rule: Rule) -> Iterator[str]:
    if rule.streak and (rule.streak.days or 0) > _MANY_DAYS:
        yield f"a streak of {rule.streak.days} days takes more than ten years"
    if rule.streak and 7 * (rule.streak.weeks or 0) > _MANY_DAYS:
        yield f"a streak of {rule.streak.weeks} weeks takes more than ten years"
    if filters := rule.exercises_completed or rule.time_spent:
        yield from _filters(filters)
    for kind, parts in (("all", rule.all), ("any", rule.any)):
        if parts is None:
            continue
        if len(parts) == 1:
            yield f"`{kind}` has a single part: write that part alone"
        if len(set(parts)) < len(parts):
            yield f"`{kind}` has the same part twice"
        for part in parts:
            yield from _rule(part)


def _filters(asked: CompletionFilters) -> Iterator[str]:
    if asked.max_hints is not None and asked.max_hints >= _MOST_HINTS:
        yield f"`max_hints` excludes nothing: an event has at most {_MOST_HINTS}"
    if asked.max_seconds is not None and asked.max_seconds >= _MOST_SECONDS:
        yield f"`max_seconds` excludes nothing: an event has at most {_MOST_SECONDS}"
    if asked.weekdays == WEEKDAYS:
        yield "`weekdays` excludes nothing: it names all seven"
    if not any(_is_asked_for(asked, day) for day in _days(asked)):
        yield "no day meets `from`, `until`, `weekdays` and `on` together"


def _days(asked: CompletionFilters) -> Iterator[dt.date]:
    """The days from `from` until `until`; without an end, all that can differ."""
    first = max(asked.since or _FIRST_DAY, _FIRST_DAY)
    end = min((asked.until or dt.date.max).toordinal() + 1, first.toordinal() + _ALL_DAYS)
    return map(dt.date.fromordinal, range(first.toordinal(), end))


def _is_asked_for(asked: CompletionFilters, day: dt.date) -> bool:
    if asked.weekdays is not None and WEEKDAYS[day.weekday()] not in asked.weekdays:
        return False
    return asked.on is None or (day.month, day.day) == month_and_day(asked.on)


def _without_goal(achievements: tuple[Achievement, ...]) -> Iterator[str]:
    if silent := [
        each.id for each in achievements if each.goal is None and each.hidden is not True
    ]:
        yield f"no `goal` says how to earn {', '.join(silent)}."


def _untranslated(book: RuleBook) -> Iterator[str]:
    """What is missing in a language in which there is anything."""
    for language in book.languages[1:]:
        tags = set(fallbacks(language))
        if book.content.language in tags:
            continue  # de-CH needs only what differs from de
        for part in Texts._fields:
            if missing := [
                each.id
                for each in book.achievements
                if getattr(each, part) is not None and not _has_translation(each, part, tags)
            ]:
                yield f"no `{part}` in {language} of {', '.join(missing)}."
        if missing := [
            topic
            for topic, names in book.content.topics.items()
            if not tags & names.translations.keys()
        ]:
            yield f"no `name` in {language} of the topics {', '.join(missing)}."


def _has_translation(achievement: Achievement, part: str, tags: set[str]) -> bool:
    return any(
        getattr(translation, part) is not None
        for language, translation in achievement.translations.items()
        if language in tags
    )


def _levels(levels: Levels) -> Iterator[str]:
    named = [("intermediate", levels.intermediate), ("advanced", levels.advanced)]
    for (lower, least), (higher, asked) in zip(
        named, [*named[1:], ("expert", levels.expert)], strict=True
    ):
        if asked == least:
            yield f"the levels {lower} and {higher} ask for the same: nobody stays {lower}."
