"""A language of the page: its texts, and how it writes figures and days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any, Final

import yaml
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

from progress_worker.domain.totals import Totals
from progress_worker.domain.vocabulary import Difficulty, Level, Tier
from progress_worker.http.api.responses import Badge
from progress_worker.http.page.year import MARKED, Day

#: The categories that a text can have a form for, by Unicode (UTS 35).
PLURALS: Final = frozenset({"zero", "one", "two", "few", "many", "other"})
#: Two years of days and what is counted in them, in a few languages.
_MOST_REMEMBERED: Final = 8_192
_MINUTE: Final = 60
#: From this number of hours on, minutes are left out.
_MANY_HOURS: Final = 100

#: A text with `{placeholders}`, or its forms by plural category.
Text = str | Mapping[str, str]


class Language:
    """Texts by key, figures and days. `tag` is that of BCP 47, `direction` is `ltr` or `rtl`."""

    def __init__(self, tag: str, texts: Mapping[str, Text]) -> None:
        """Raises ValueError if nothing is known about the tag's language."""
        self.tag = tag
        self.texts = texts
        locale = Locale.parse(tag, sep="-")
        self.direction = locale.text_direction
        self._category = locale.plural_form
        self._locale = str(locale)

    def say(self, key: str, /, **values: object) -> str:
        """The text with these values. One that counts has the form for the number `count`."""
        text = self.texts[key]
        if not isinstance(text, str):
            count: Any = values["count"]
            text = text[self._category(count)]
            values["count"] = self.number(count)
        return text.format_map(values)

    def number(self, value: int) -> str:
        """As in 12,345."""
        return _number(value, self._locale)

    def between(self, least: int, most: int | None) -> str:
        """As in 1, 2 or 3, 4 to 6. Without `most` as in 7 or more."""
        if most is None:
            return self.say("figures.at_least", least=self.number(least))
        if least == most:
            return self.number(least)
        key = "figures.one_of_two" if most == least + 1 else "figures.range"
        return self.say(key, least=self.number(least), most=self.number(most))

    def duration(self, seconds: int) -> str:
        """Hours and minutes, rounded down, as in 3 h 20 min. From 100 hours on, hours only."""
        if 0 < seconds < _MINUTE:
            return self.say("figures.under_a_minute")
        hours, minutes = divmod(seconds // _MINUTE, _MINUTE)
        parts = [self.say("figures.hours", number=self.number(hours))] if hours else []
        if not hours or (minutes and hours < _MANY_HOURS):
            parts.append(self.say("figures.minutes", number=self.number(minutes)))
        return " ".join(parts)

    def grade(self, value: float | None) -> str:
        """As in 83.5%. Rounded down, so that nobody seems to have reached what is missing."""
        if value is None:
            return self.say("figures.not_graded")
        down = Decimal(repr(value)).quantize(Decimal("0.1"), ROUND_DOWN)
        return self.say("figures.percent", number=_number(down, self._locale))

    def level(self, level: Level) -> str:
        """The name of a skill level."""
        return self.say(f"names.levels.{level}")

    def tier(self, tier: Tier) -> str:
        """The name of a tier."""
        return self.say(f"names.tiers.{tier}")

    def difficulty(self, difficulty: Difficulty) -> str:
        """The name of a difficulty."""
        return self.say(f"names.difficulties.{difficulty}")

    def practised(self, exercises: int, seconds: int) -> str:
        """As in 2 exercises, 1 h 5 min."""
        first = self.say("figures.exercises", count=exercises)
        return self.say("figures.list", first=first, second=self.duration(seconds))

    def summed(self, totals: Totals) -> str:
        """As in 2 exercises, 1 h 5 min, average 80%."""
        if not totals.completions:
            return self.say("trend.no_exercise")
        practised = self.practised(totals.completions, totals.time_spent_seconds)
        if not totals.graded:
            return practised
        average = self.say("figures.average", grade=self.grade(totals.average_grade))
        return self.say("figures.list", first=practised, second=average)

    def in_calendar(self, day: Day, today: dt.date) -> str:
        """The day, and on the next line what was done."""
        key = "year.today" if day.date == today else "year.day"
        what = self.say(key, day=self.weekday_and_day(day.date))
        done = self.summed(day.totals)
        if not day.totals.completions and day.status in MARKED:
            done = self.say(f"year.marked.{day.status}")
        return f"{what}\n{done}"

    def worth(self, badge: Badge) -> str:
        """As in Gold, 10 points."""
        points = self.say("figures.points", count=badge.points)
        return capitalized(self.say("figures.list", first=self.tier(badge.tier), second=points))

    def named(self, first: dt.date, span: str) -> str:
        """The day of a trend, or in that of a year the month that begins with it."""
        return self.month(first) if span == "year" else self.weekday_and_day(first)

    def day(self, value: dt.date) -> str:
        """As in 23 November 2026."""
        return self._date(value, "day")

    def short_day(self, value: dt.date) -> str:
        """As in 23 Nov."""
        return self._date(value, "short_day")

    def weekday_and_day(self, value: dt.date) -> str:
        """As in Monday, 23 November 2026."""
        return self._date(value, "weekday_and_day")

    def weekday(self, value: dt.date) -> str:
        """As in Monday."""
        return self._date(value, "weekday")

    def month(self, value: dt.date) -> str:
        """As in November 2026."""
        return self._date(value, "month")

    def short_weekday(self, value: dt.date) -> str:
        """As in Mon."""
        return self._date(value, "short_weekday")

    def short_month(self, value: dt.date) -> str:
        """As in Nov."""
        return self._date(value, "short_month")

    def visible(self, name: str) -> str:
        """The name, or a word in its place if the name has no visible characters."""
        seen = any(character.isprintable() and not character.isspace() for character in name)
        return name if seen else self.say("names.nameless")

    def isolated(self, name: str) -> str:
        """The name for the middle of a sentence, whose direction it cannot change."""
        return f"\N{FIRST STRONG ISOLATE}{self.visible(name)}\N{POP DIRECTIONAL ISOLATE}"

    def _date(self, value: dt.date, pattern: str) -> str:
        return _date(value, self.say(f"dates.{pattern}"), self._locale)


def capitalized(text: str) -> str:
    """The text for the beginning of a line."""
    return text[:1].upper() + text[1:]


def read_language(file: Traversable) -> Language:
    """The language of a YAML file, whose name is the tag.

    Raises ValueError if nothing is known about the language.
    """
    texts = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Language(file.name.removesuffix(".yaml"), dict(_flat(texts, "")))


def _flat(texts: Mapping[str, Any], before: str) -> Iterator[tuple[str, Text]]:
    """Each text by its path, as in `title.own`."""
    for key, value in texts.items():
        if isinstance(value, str) or value.keys() <= PLURALS:
            yield before + key, value
        else:
            yield from _flat(value, f"{before}{key}.")


@lru_cache(_MOST_REMEMBERED)
def _number(value: int | Decimal, locale: str) -> str:
    return format_decimal(value, locale=locale)


@lru_cache(_MOST_REMEMBERED)
def _date(value: dt.date, pattern: str, locale: str) -> str:
    return format_date(value, pattern, locale=locale)
