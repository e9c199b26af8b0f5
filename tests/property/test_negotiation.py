"""The language of an answer: RFC 9110 (12.5.4) and the lookup of RFC 4647 (3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_worker.http.languages import accepted_languages, negotiate

OFFERED = ("en", "de", "pt-BR", "zh-Hant")
TAGS = st.from_regex(r"[a-z]{2,3}(-[A-Z]{2})?", fullmatch=True)
OFFERS = st.lists(TAGS, min_size=1, max_size=5, unique_by=str.lower).map(tuple)
QUALITIES = st.integers(0, 1000)


def element(tag: str, thousandths: int) -> str:
    return f"{tag};q={thousandths / 1000:.3f}"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-Latn-AT-1996", "de"),
        ("de-x-private", "de"),
        ("pt-br", "pt-BR"),
        ("pt", "en"),
        ("pt-PT", "en"),
        ("zh-Hant-TW", "zh-Hant"),
        ("zh-Hans", "en"),
        ("fr, de;q=0.5", "de"),
        ("de;q=0.5, pt-BR;q=0.6", "pt-BR"),
        ("de , en", "de"),
        ("en;q=0.1, de;q=0.2", "de"),
        ("de;q=0", "en"),
        ("de;q=0, de-AT", "en"),
        ("de-AT;q=0, de", "de"),
        ("*", "en"),
        ("fr, *;q=0.1", "en"),
        ("*, en;q=0", "de"),
        ("en;q=0.2, *;q=0.8", "de"),
        ("*, en;q=0.2, de;q=0.1", "pt-BR"),
        ("en;q=0, de;q=0, pt-BR;q=0, zh-Hant;q=0", "en"),
        ("*;q=0", "en"),
        ("*;q=0, de;q=0.1", "de"),
        ("de ; Q = 0.5", "de"),
        ("de;q=1.000", "de"),
        (",,de,", "de"),
        ("de_AT", "en"),
        ("de;q=2", "en"),
        ("de;q=-1, pt-BR;q=0.1", "pt-BR"),
        ("de;q=0.1234", "en"),
        ("de;level=1", "en"),
        ("de\u0130", "en"),
        ("deutsche-sprache-schwere", "en"),
        ("fr," * 200 + "de", "en"),
    ],
)
def test_the_language_that_the_header_wants_most(header: str, language: str) -> None:
    assert negotiate(header, OFFERED) == language


@given(st.text(max_size=600), OFFERS)
def test_any_header_has_an_offered_language(header: str, offered: tuple[str, ...]) -> None:
    assert negotiate(header, offered) in offered


@given(st.text(st.sampled_from("deng-*;q=01., "), max_size=30), OFFERS)
def test_anything_like_a_header_has_an_offered_language(
    header: str, offered: tuple[str, ...]
) -> None:
    assert negotiate(header, offered) in offered


@given(st.dictionaries(TAGS, QUALITIES, max_size=8), OFFERS)
def test_nothing_that_is_offered_is_wanted_more(
    wishes: dict[str, int], offered: tuple[str, ...]
) -> None:
    chosen = negotiate(", ".join(element(*wish) for wish in wishes.items()), offered)
    exact = {tag: wishes[tag] for tag in offered if wishes.get(tag)}
    if not exact:
        return
    wanted = max(q for tag, q in wishes.items() if chosen in (tag, tag.partition("-")[0]))
    assert wanted >= max(exact.values())


@given(st.permutations(["de;q=0.9", "pt-BR;q=0.8", "zh-Hant;q=0.7", "fr", "*;q=0.1"]))
def test_the_order_of_the_header_does_not_matter(elements: list[str]) -> None:
    assert negotiate(",".join(elements), OFFERED) == "de"


@given(TAGS, OFFERS)
def test_a_region_finds_its_language_and_no_language_a_region(
    tag: str, offered: tuple[str, ...]
) -> None:
    expected = [found for found in (tag, tag.partition("-")[0]) if found in offered]
    assert negotiate(tag, offered) == (expected or offered)[0]


@given(st.lists(st.sampled_from(["!", "de_AT", "q=1", "de;q", "de q=1", "de;q=9", "\x7f", "ö"])))
def test_what_is_malformed_changes_nothing(malformed: list[str]) -> None:
    assert negotiate(",".join([*malformed, "pt-BR", *malformed]), OFFERED) == "pt-BR"


def test_a_header_may_stand_twice() -> None:
    headers = [(b"accept-language", b"fr"), (b"x", b"en"), (b"accept-language", b"de-\xff, de")]
    assert negotiate(accepted_languages({"headers": headers}), OFFERED) == "de"
    assert accepted_languages({"headers": []}) == ""
