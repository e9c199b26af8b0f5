"""Translations in a rule book: what is accepted, what stands in, and what is reported missing."""

from __future__ import annotations

import pytest

from progress_worker.domain.languages import Texts, fallbacks
from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from progress_worker.domain.rulebook_format import FORMAT
from progress_worker.domain.suspicions import suspicions

DESCRIBED = "name: First, description: Done., goal: Do it, category: c, icon: i"
RULE = "rule: {exercises_completed: {at_least: 1}}"
TIERED = (
    "- {id: hard, name: Hard, description: D, goal: G, category: c, icon: i,\n"
    "   rule: {exercises_completed: {at_least: target, difficulty: hard}},\n"
    "   translations: {de: {name: Schwer, description: B}},\n"
    "   tiers: [{id: two, target: 2, tier: bronze, points: 1},\n"
    "     {id: five, target: 5, tier: gold, points: 9, name: Five},\n"
    "     {id: ten, target: 10, tier: gold, points: 9, name: Ten, translations: {de: {name: Zehn},"
    " fr: {name: Dix}}}]}\n"
)


def text(translations: str = "{}", top: str = "", more: str = "") -> str:
    entry = f"- {{id: first, {DESCRIBED}, tier: gold, points: 1, {RULE}"
    entry += f", translations: {translations}}}\n" if translations != "{}" else "}\n"
    return f"version: 1\n{top}\nachievements:\n{entry}{more}"


def book_of(*parts: str) -> RuleBook:
    return read_rule_book(text(*parts))


def refusal(written: str) -> str:
    with pytest.raises(RuleBookError) as refused:
        read_rule_book(written)
    return str(refused.value)


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("de", ["de"]),
        ("de-AT", ["de-AT", "de"]),
        ("zh-Hant-TW", ["zh-Hant-TW", "zh-Hant", "zh"]),
        ("zh-Hant-CN-x-private1-private2", ["zh-Hant-CN-x-private1-private2",
         "zh-Hant-CN-x-private1", "zh-Hant-CN", "zh-Hant", "zh"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_tag_is_looked_up_part_by_part(tag: str, found: list[str]) -> None:
    assert list(fallbacks(tag)) == found


def test_what_is_missing_falls_back_to_the_default_text() -> None:
    book = book_of("{de: {name: Erster, goal: Tu es}, fr: {description: Fait.}, pt: {}}")
    assert book.languages == ("en", "de", "fr", "pt")
    assert book.texts("en")["first"] == Texts("First", "Done.", "Do it")
    assert book.texts("de")["first"] == Texts("Erster", "Done.", "Tu es")
    assert book.texts("fr")["first"] == Texts("First", "Fait.", "Do it")
    assert book.texts("pt")["first"] == Texts("First", "Done.", "Do it")


def test_a_region_falls_back_to_its_language_first() -> None:
    book = book_of("{de: {name: Erster, goal: Tu es}, de-AT: {name: Der Erste}}")
    assert book.texts("de-AT")["first"] == Texts("Der Erste", "Done.", "Tu es")


def test_no_translation_stands_in_for_the_default_text() -> None:
    book = book_of("{de: {name: Erster}}", "language: de-AT")
    assert book.languages == ("de-AT", "de")
    assert book.texts("de-AT")["first"].name == "First"
    assert book.texts("de")["first"].name == "Erster"


def test_tiers_share_the_translations_of_their_entry() -> None:
    german = book_of("{}", "", TIERED).texts("de")
    assert german["two"] == Texts("Schwer", "B", "G")
    assert german["five"] == Texts("Five", "B", "G"), "Schwer would be the name of another tier"
    assert german["ten"] == Texts("Zehn", "B", "G")
    assert book_of("{}", "", TIERED).texts("fr")["ten"] == Texts("Dix", "D", "G")


def test_topics_have_translated_names() -> None:
    book = book_of(
        "{it: {name: Primo}}",
        "language: pt-BR\ntopics: {a: {name: Algorithms, translations: {de: {name: Algorithmen}, "
        "de-CH: {name: Algorithme}, pt: {name: Algoritmos}}}}",
    )
    assert book.languages == ("pt-BR", "de", "de-CH", "it", "pt")
    names = {language: book.topic_name("a", language) for language in book.languages}
    assert names == {
        "pt-BR": "Algorithms",
        "de": "Algorithmen",
        "de-CH": "Algorithme",
        "it": "Algorithms",
        "pt": "Algoritmos",
    }
    assert book.topic_name("b", "de") == "b"


@pytest.mark.parametrize("tag", ["de", "gsw", "pt-BR", "es-419", "zh-Hant-TW", "de-1996", "no"])
def test_a_language_tag_is_accepted(tag: str) -> None:
    assert book_of(f"{{{tag}: {{name: N}}}}").languages == ("en", tag)
    assert book_of("{}", f"language: '{tag}'").languages == (tag,)


@pytest.mark.parametrize("tag", ["pt_BR", "DE", "pt-br", "german", "", "x-klingon", "de-"])
def test_a_wrong_language_tag_is_refused(tag: str) -> None:
    sentence = f"{tag!r} is not a language tag: write it as in de, pt-BR or zh-Hant"
    refused = refusal(text(f"{{'{tag}': {{name: N}}}}"))
    assert f"at achievements.0.translations.{tag}.[key] (first): {sentence}" in refused
    assert f"at language: {sentence}" in refusal(text("{}", f"language: '{tag}'"))


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (text("{}", "language: no"), 'at language: write "no" in quotes, since YAML takes it'),
        (text("{}", "language: 7"), "at language: Input should be a valid string"),
        (
            text("{en: {name: N}}"),
            "at its top: `translations` hold en, which is the `language` of the rule book",
        ),
        (
            text("{}", "topics: {a: {name: A, translations: {en: {name: B}}}}"),
            "at its top: `translations` hold en, which is the `language` of the rule book",
        ),
        (
            text("{de: {name: ''}}"),
            "at achievements.0.translations.de.name (first): String should have at least 1",
        ),
        (
            text("{de: {title: N}}"),
            "at achievements.0.translations.de.title (first): Extra inputs are not permitted",
        ),
        (
            text("{}", "", TIERED.replace("{name: Dix}", "{goal: Dix}")),
            "at achievements.1.tiers.2.translations.fr.goal (hard): Extra inputs",
        ),
        (
            text("{}", "topics: {a: {name: A, translations: {de: {}}}}"),
            "at topics.a.translations.de.name: Field required",
        ),
    ],
)
def test_a_wrong_translation_is_refused(written: str, sentence: str) -> None:
    assert sentence in refusal(written)


@pytest.mark.parametrize(
    "written",
    [
        text("{de: {name: N}}"),
        text("{}", "language: en"),
        text("{}", "topics: {a: {name: A, translations: {de: {name: B}}}}"),
        text("{}", "", TIERED),
        text("{}", "", TIERED.replace("translations: {de: {name: Schwer, description: B}},", "")),
    ],
)
def test_translations_need_a_release_that_knows_them(written: str) -> None:
    assert read_rule_book(written).content.format == 5 <= FORMAT


def test_a_rule_book_keeps_its_digest_without_them() -> None:
    plain = book_of()
    assert plain.digest == "bf222a5cdf6456bb6e63d4c13777d0e21408f8bfd87c27a0e7fcc2def101e101"
    assert book_of("{}", "language: en").digest == plain.digest
    assert book_of("{de: {name: N}}").digest != plain.digest
    assert book_of("{}", "language: de").digest != plain.digest


def test_what_is_missing_in_a_language_is_reported() -> None:
    second = text().partition("achievements:\n")[2].replace("id: first", "id: second")
    second = second.replace("name: First", "name: Second").replace(", goal: Do it", "")
    third = second.replace("second", "third").replace("Second", "Third")
    more = second.replace("}}}", "}}, translations: {de: {name: Zweiter, description: Da}}}")
    book = book_of("{de: {name: Erster}, de-AT: {goal: Tus}}", "", more + third)
    found = [sentence for sentence in suspicions(book) if " in de" in sentence]
    assert found == [
        "no `name` in de of third.",
        "no `description` in de of first, third.",
        "no `goal` in de of first.",
        "no `name` in de-AT of third.",
        "no `description` in de-AT of first, third.",
    ]


def test_a_region_of_the_default_language_needs_only_what_differs() -> None:
    book = book_of("{de-CH: {goal: Tus}}", "language: de")
    assert not [sentence for sentence in suspicions(book) if " in " in sentence]


def test_topics_without_a_translated_name_are_reported() -> None:
    topics = "topics: {a: {name: A, translations: {de: {name: B}}}, b: {name: B}}"
    assert "no `name` in de of the topics b." in list(suspicions(book_of("{}", topics)))
