"""Entity tags: the view does not make an answer again that cannot have changed."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import lru_cache
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from progress_worker import __version__
from progress_worker.http.languages import ACCEPT_LANGUAGE
from progress_worker.storage.read.views import Stamp

_DIGEST_BYTES: Final = 16
_VARY: Final = ("Authorization", "Accept-Encoding")
#: Few languages are offered.
_MOST_LANGUAGES: Final = 256


def tag_of(
    request: Request,
    user_id: str,
    stamp: Stamp,
    now: dt.datetime,
    language: str = "",
    counted_at: dt.datetime | None = None,
    also: str = "",
) -> str:
    """The tag of the answer to this request.

    An answer is a function of the release, the learner at one version, the learner's rule book and
    local day, when days start by the newest rule book, and the question. All of it is in the tag.
    So is the language of an answer that has texts, when it was counted how rare achievements are
    for one that says so, and `also`: what else it depends on. Tags are weak, since `as_of` differs
    between answers that mean the same.
    """
    digest = _digest(
        __version__,
        stamp.book.digest,
        user_id,
        str(stamp.version),
        stamp.clock.day_of(now).isoformat(),
        str(stamp.clock.starts),
        request.scope["path"],
        request.scope["query_string"].decode("latin-1"),
        language,
        counted_at.isoformat() if counted_at else "",
        also,
    )
    return f'W/"{digest}"'


def asks_for_change(request: Request) -> bool:
    """Whether the client already has an answer and asks for changes only."""
    return "if-none-match" in request.headers


def matches(request: Request, tag: str) -> bool:
    """Whether the client already has the answer with this tag, by weak comparison."""
    known = ",".join(request.headers.getlist("if-none-match"))
    opaque = tag.removeprefix("W/")
    tags = {part.strip().removeprefix("W/") for part in known.split(",")}
    return opaque in tags or "*" in tags


def caching_headers(tag: str, language: str = "") -> dict[str, str]:
    """Only the reader may keep the answer, and must revalidate it each time.

    `language` is that of an answer which would have other texts for another reader.
    """
    return {"ETag": tag, **_caching(language)}


def not_modified(tag: str, language: str = "") -> Response:
    """The client's answer still holds."""
    return Response(status_code=304, headers=caching_headers(tag, language))


@lru_cache(_MOST_LANGUAGES)
def _caching(language: str) -> dict[str, str]:
    headers = {"Cache-Control": "private, no-cache", "Vary": ", ".join(_VARY)}
    if language:
        headers |= {"Content-Language": language, "Vary": ", ".join((*_VARY, ACCEPT_LANGUAGE))}
    return headers


def _digest(*parts: str) -> str:
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=_DIGEST_BYTES).hexdigest()
