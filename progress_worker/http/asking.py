"""Questions about one learner: who asks, about whom, and how an answer is made and tagged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from progress_worker.domain.rarity import HolderCounts
from progress_worker.http.api.fields import Answer
from progress_worker.http.conditional import (
    asks_for_change,
    caching_headers,
    matches,
    not_modified,
    tag_of,
)
from progress_worker.http.context import ViewContext
from progress_worker.http.endpoints import Call, Handler
from progress_worker.http.languages import accepted_languages, negotiate
from progress_worker.http.parameters import Parameter, Values, text_of, text_schema
from progress_worker.http.problems import InvalidRequestError
from progress_worker.http.security.authentication import MAX_USER_ID, READ_ANY, Principal
from progress_worker.storage.read.progress import ProgressReads
from progress_worker.storage.read.views import Stamp, StoredRow

_View = TypeVar("_View")

USER_ID: Final[Parameter[str | None]] = Parameter(
    "user_id",
    f"Another learner, for tokens with the scope `{READ_ANY}` only.",
    text_of(MAX_USER_ID),
    text_schema(MAX_USER_ID),
    None,
    ("learner-17",),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one learner, at one moment.

    An answer that `has_texts` of the rule book is in the reader's language. `rarity` is None where
    the answer does not say how rare achievements are, and where that is not known.
    """

    request: Request
    view: ViewContext
    user_id: str
    now: dt.datetime
    values: Values
    has_texts: bool = False
    rarity: HolderCounts | None = None

    async def answer(
        self,
        read: Callable[[ProgressReads], Awaitable[StoredRow[_View]]],
        present: Callable[[_View], Answer],
        *,
        check: Callable[[Stamp], object] = lambda _: None,
        rows: Callable[[Stamp], int] = lambda _: 0,
    ) -> Response:
        """Read, present and tag the answer. Answers 304 if the client already has it.

        A question with a tag first costs a look-up by primary key. Any other is one read.
        `check` refuses a question that makes no sense for this learner, with or without a tag.
        `rows` says how many rows the answer has in any case, such as days or achievements.
        """
        if asks_for_change(self.request):
            stamp = await self.view.reads.stamp(self.user_id)
            check(stamp)
            if unchanged := self.unchanged(stamp, self.language(stamp) if self.has_texts else ""):
                return unchanged
        found = await read(self.view.reads)
        check(found.stamp)
        body = await self.view.computing.make(
            found.characters,
            lambda: msgspec.json.encode(present(found.decode())),
            rows=rows(found.stamp),
        )
        language = self.language(found.stamp) if self.has_texts else ""
        headers = caching_headers(self.tag(found.stamp, language), language)
        return Response(body, media_type="application/json", headers=headers)

    def unchanged(self, stamp: Stamp, language: str = "", *, also: str = "") -> Response | None:
        """304 if the client already has the answer that belongs to the stamp."""
        tag = self.tag(stamp, language, also=also)
        return not_modified(tag, language) if matches(self.request, tag) else None

    def tag(self, stamp: Stamp, language: str = "", *, also: str = "") -> str:
        """The tag of the answer that belongs to the learner's stamp, in this language if any.

        `also` is what the answer depends on beside them.
        """
        counted_at = self.rarity.counted_at if self.rarity else None
        return tag_of(self.request, self.user_id, stamp, self.now, language, counted_at, also)

    def language(self, stamp: Stamp) -> str:
        """The language of the learner's rule book that the reader wants most."""
        return negotiate(accepted_languages(self.request.scope), stamp.book.languages)


Authenticate = Callable[[Call], Awaitable[Principal]]


async def bearer(call: Call) -> Principal:
    """The principal of the token in the header. Refuses a request without a valid token."""
    return await call.view.authenticator.authenticate(call.request)


async def learner_asked_for(
    call: Call, values: Values, authenticate: Authenticate
) -> tuple[str, Principal]:
    """The learner in question, and who asks.

    That is the token's learner, or any learner if the token may read all. Refuses a request that
    may not, and one whose parameters are wrong.
    """
    who = await authenticate(call)
    wanted = values[USER_ID]
    if wanted is not None and not who.may_read_any:
        raise HTTPException(403, f"`user_id` needs a token with the scope {READ_ANY}.")
    if values.mistakes:
        raise InvalidRequestError(values.mistakes)
    return wanted or who.user_id, who


def of_learner(
    handle: Callable[[Asked], Awaitable[Response]], authenticate: Authenticate = bearer
) -> Handler:
    """A handler for the learner in question, as `learner_asked_for` finds them."""

    @wraps(handle)
    async def ask(call: Call) -> Response:
        values = call.values()
        user_id, _ = await learner_asked_for(call, values, authenticate)
        now, endpoint = call.view.clock(), call.endpoint
        rarity = await call.view.rarity.current() if endpoint.has_rarity else None
        return await handle(
            Asked(call.request, call.view, user_id, now, values, endpoint.has_texts, rarity)
        )

    return ask
