"""Texts in several languages: language tags, translations, and what stands in for missing ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, Field

from progress_worker.domain.vocabulary import NO_NUL
from progress_worker.domain.written import Written

#: Language, script, region and variants of BCP 47, in the letter case that it recommends.
_TAG: Final = re.compile(
    r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
)


def _known_form(written: Any) -> Any:
    if written is False:
        raise ValueError('write "no" in quotes, since YAML takes it for false')
    if isinstance(written, str) and not _TAG.fullmatch(written):
        raise ValueError(f"{written!r} is not a language tag: write it as in de, pt-BR or zh-Hant")
    return written


LanguageTag = Annotated[str, BeforeValidator(_known_form), Field(examples=["pt-BR"])]
#: An achievement's name, and its description or goal.
Name = Annotated[str, Field(min_length=1, max_length=80)]
Text = Annotated[str, Field(min_length=1, max_length=300)]
TopicName = Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]


class Texts(NamedTuple):
    """What people read about an achievement, in one language."""

    name: str
    description: str
    goal: str | None


class Translation(Written):
    """An achievement's texts in another language. The default text stands in for a missing one."""

    name: Name | None = None
    description: Text | None = None
    goal: Text | None = None


class TranslatedName(Written):
    """A tier's name in another language."""

    name: Name | None = None


class TranslatedTopicName(Written):
    """A topic's display name in another language."""

    name: TopicName


def fallbacks(tag: str) -> Iterator[str]:
    """The tag and what is left of it without its last parts, as RFC 4647 (3.4) looks them up.

    For zh-Hant-TW: zh-Hant-TW, zh-Hant, zh.
    """
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]
        if tag[-2:-1] == "-":  # A single letter only introduces what came after it.
            tag = tag[:-2]
