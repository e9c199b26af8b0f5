"""Figures, days and sentences in words, in each language of the page."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest
from babel import Locale

from progress_worker.domain.vocabulary import TIERS
from progress_worker.http.page.language import Language, Text, read_language
from progress_worker.http.page.languages import Languages, shipped_languages
from tests.page.arabic import arabic

SHIPPED = shipped_languages()
ENGLISH, GERMAN = SHIPPED.choose("en"), SHIPPED.choose("de")
PAGE = Path(str(files("progress_worker.http.page")))
TEMPLATES = sorted((PAGE / "templates").iterdir())
EACH = pytest.mark.parametrize("language", SHIPPED.all, ids=lambda language: language.tag)
EACH_TEXT = pytest.mark.parametrize("key", ENGLISH.texts)


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (0, "0 min", "0 min"),
        (1, "under 1 min", "unter 1 min"),
        (59, "under 1 min", "unter 1 min"),
        (60, "1 min", "1 min"),
        (3_599, "59 min", "59 min"),
        (3_600, "1 h", "1 h"),
        (12_345, "3 h 25 min", "3 h 25 min"),
        (359_999, "99 h 59 min", "99 h 59 min"),
        (360_000, "100 h", "100 h"),
        (361_000, "100 h", "100 h"),
        (36_000_000, "10,000 h", "10.000 h"),
    ],
)
def test_durations(seconds: int, english: str, german: str) -> None:
    assert ENGLISH.duration(seconds) == english
    assert GERMAN.duration(seconds) == german


@pytest.mark.parametrize(
    ("grade", "english", "german"),
    [
        (None, "none yet", "noch keine"),
        (0.0, "0%", "0\u00a0%"),
        (64.6, "64.6%", "64,6\u00a0%"),
        (79.999, "79.9%", "79,9\u00a0%"),
        (80.0, "80%", "80\u00a0%"),
        (100.0, "100%", "100\u00a0%"),
        (1e-07, "0%", "0\u00a0%"),
    ],
)
def test_grades(grade: float | None, english: str, german: str) -> None:
    assert ENGLISH.grade(grade) == english
    assert GERMAN.grade(grade) == german


@pytest.mark.parametrize(
    ("count", "english", "german"),
    [
        (0, "0 days", "0 Tage"),
        (1, "1 day", "1 Tag"),
        (2, "2 days", "2 Tage"),
        (12_345, "12,345 days", "12.345 Tage"),
    ],
)
def test_counts(count: int, english: str, german: str) -> None:
    assert ENGLISH.say("figures.days", count=count) == english
    assert GERMAN.say("figures.days", count=count) == german


@pytest.mark.parametrize(
    ("least", "most", "english", "german"),
    [
        (3, 3, "3", "3"),
        (1, 2, "1 or 2", "1 oder 2"),
        (4, 1_000, "4 to 1,000", "4–1.000"),
        (8, None, "8 or more", "ab 8"),
    ],
)
def test_ranges(least: int, most: int | None, english: str, german: str) -> None:
    assert ENGLISH.between(least, most) == english
    assert GERMAN.between(least, most) == german


def said(language: Language, day: dt.date) -> list[str]:
    return [
        language.weekday_and_day(day),
        language.day(day),
        language.short_day(day),
        language.month(day),
        language.weekday(day),
        language.short_weekday(day),
        language.short_month(day),
    ]


def test_days() -> None:
    assert said(ENGLISH, dt.date(2026, 3, 1)) == [
        *("Sunday, 1 March 2026", "1 March 2026", "1 Mar", "March 2026"),
        *("Sunday", "Sun", "Mar"),
    ]
    assert said(GERMAN, dt.date(2026, 11, 23)) == [
        *("Montag, 23. November 2026", "23. November 2026", "23. Nov.", "November 2026"),
        *("Montag", "Mo", "Nov"),
    ]
    assert said(GERMAN, dt.date(2026, 3, 1))[2:] == [
        *("1. März", "März 2026", "Sonntag", "So", "Mär"),
    ]


@pytest.mark.parametrize("name", ["", " \t\n", "\u2028", "\u200b\u202e", "\ufeff"])
def test_names_that_nobody_can_see(name: str) -> None:
    assert ENGLISH.visible(name) == "(nameless)"
    assert GERMAN.visible(name) == "(ohne Namen)"
    assert ENGLISH.visible(name + "x") == name + "x"


def forms(text: Text) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_english_and_german_ship_and_english_stands_in_for_others() -> None:
    assert [language.tag for language in SHIPPED.all] == ["en", "de"]
    assert SHIPPED.choose("fr, es;q=0.5") is ENGLISH


@EACH_TEXT
def test_each_language_has_the_same_texts_with_the_same_placeholders(key: str) -> None:
    expected = set().union(*map(placeholders, forms(ENGLISH.texts[key])))
    for language in SHIPPED.all:
        text = language.texts[key]
        assert isinstance(text, str) == isinstance(ENGLISH.texts[key], str)
        assert set().union(*map(placeholders, forms(text))) == expected
        if not isinstance(text, str):
            assert placeholders(text["other"]) == expected
            categories = Locale.parse(language.tag, sep="-").plural_form.tags | {"other"}
            assert text.keys() == categories
        for form in forms(text):
            assert form == form.strip() != ""
            assert not re.search(r"\s{2}|'|\"", form), "typographic marks, and no break of a line"


@EACH
def test_each_language_names_what_the_rules_know(language: Language) -> None:
    assert len({language.tier(tier) for tier in TIERS}) == 4
    assert language.direction == "ltr"


def used() -> Iterator[str]:
    """Patterns of the keys that the page's templates and modules name."""
    for file in (*TEMPLATES, *PAGE.glob("*.py")):
        for key in re.findall(r'"([a-z]+\.[a-z0-9_{}.]*)"', file.read_text("utf-8")):
            pattern = re.sub(r"\{[a-z_.]+\}", "[a-z0-9_]+", key).replace(".", r"\.")
            yield pattern + ("[a-z0-9_.]+" if key.endswith(".") else "")


@EACH_TEXT
def test_each_text_is_used(key: str) -> None:
    assert any(re.fullmatch(pattern, key) for pattern in used())


@pytest.mark.parametrize(
    "template",
    TEMPLATES,
    ids=lambda file: file.name,
)
def test_no_template_has_a_text_of_its_own(template: Path) -> None:
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", template.read_text("utf-8"), flags=re.DOTALL)
    assert not re.findall(r"[a-z]+", re.sub(r"<[^>]*>", "", text).replace('lang=""', ""))
    for value in re.findall(r'(?:aria-label|title|alt|placeholder|data-[a-z]+)="([^"]*)"', text):
        assert not value.strip()


def test_the_readers_wish_comes_before_the_rule_book() -> None:
    assert SHIPPED.choose("", "de-AT") is GERMAN
    assert SHIPPED.choose("fr", "de-AT") is GERMAN
    assert SHIPPED.choose("en", "de-AT") is ENGLISH
    assert SHIPPED.choose("", "fr") is ENGLISH
    assert SHIPPED.choose("de-CH, en;q=0.9", "en") is GERMAN


def test_a_third_language_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "fr.yaml"
    shipped = PAGE / "texts" / "en.yaml"
    file.write_text(shipped.read_text("utf-8").replace("Your progress", "Tes progrès"), "utf-8")
    languages = Languages([*SHIPPED.all, read_language(file)])
    assert languages.choose("fr-CA").say("title.own") == "Tes progrès"
    assert languages.choose("fr").short_weekday(dt.date(2026, 11, 23)) == "lun."


def test_a_language_with_other_texts_is_refused() -> None:
    texts = {key: text for key, text in GERMAN.texts.items() if key != "title.own"}
    with pytest.raises(ValueError, match=r"not both en and fr have title\.own"):
        Languages([ENGLISH, Language("fr", texts)])


def test_a_language_may_have_more_forms_and_be_written_from_the_right() -> None:
    language = arabic()
    assert language.direction == "rtl"
    said = {language.say("figures.days", count=count) for count in (0, 1, 2, 3, 11, 100)}
    assert len(said) == 6
