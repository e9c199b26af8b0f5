"""Which language an answer is in: what the reader accepts, against what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.types import Scope

from progress_worker.domain.languages import fallbacks

ACCEPT_LANGUAGE: Final = "Accept-Language"
#: Browsers send fewer than a hundred characters. A longer header counts as none.
_MOST_CHARACTERS: Final = 500
_MOST_REMEMBERED: Final = 1_024
_ANY: Final = "*"
#: An element of the header by RFC 9110 (12.5.4): a language range, and how much it is wanted.
_ELEMENT: Final = re.compile(
    r"[ \t]*(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)[ \t]*"
    r"(?:;[ \t]*q[ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)


class _Wish(NamedTuple):
    language: str
    quality: float


def accepted_languages(scope: Scope) -> str:
    """The request's header `Accept-Language`, empty without one."""
    found = [value for name, value in scope["headers"] if name == b"accept-language"]
    return b",".join(found).decode("latin-1")


@lru_cache(_MOST_REMEMBERED)
def negotiate(accepted: str, offered: tuple[str, ...]) -> str:
    """The offered language that the header wants most; without one, the first offered.

    Each range is looked up by RFC 4647 (3.4), so de-AT finds de. What is not well-formed is
    ignored. A reader who accepts nothing that is offered gets the first language all the same.
    """
    wishes = sorted(_wishes(accepted), key=lambda wish: -wish.quality)
    named = {wish.language for wish in wishes}
    refused = {wish.language for wish in wishes if not wish.quality}
    by_tag = {tag.lower(): tag for tag in offered}
    for wish in wishes:
        if wish.language in refused:
            continue
        found = fallbacks(wish.language)
        if wish.language == _ANY:
            found = (tag for tag in by_tag if named.isdisjoint(fallbacks(tag)))
        for tag in found:
            if tag in by_tag and tag not in refused:
                return by_tag[tag]
    return offered[0]


def _wishes(accepted: str) -> Iterator[_Wish]:
    if len(accepted) > _MOST_CHARACTERS:
        return
    for element in accepted.lower().split(","):
        if found := _ELEMENT.fullmatch(element):
            yield _Wish(found[1], float(found[2] or 1))
