"""What a request's handler works with: the view's parts, and who is asked about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from progress_worker.events.models import NO_NUL
from progress_worker.http.authentication import MAX_USER_ID, READ_ANY, Authenticator, Principal
from progress_worker.http.conditional import (
    Tagger,
    asks_for_change,
    caching_headers,
    matches,
    not_modified,
)
from progress_worker.http.metrics import ViewMetrics
from progress_worker.http.presentation import Presenter
from progress_worker.storage.view_export import ExportReads
from progress_worker.storage.views import ProgressReads, Stamp


class _Stamped(Protocol):
    @property
    def stamp(self) -> Stamp: ...


_Read = TypeVar("_Read", bound=_Stamped)


@dataclass(frozen=True, slots=True)
class ViewContext:
    """The view's parts, made once per application.

    `development_login` lets the page, and nothing else, take the token from a cookie.
    """

    clock: Callable[[], dt.datetime]
    metrics: ViewMetrics
    authenticator: Authenticator
    reads: ProgressReads
    exports: ExportReads
    presenter: Presenter
    tagger: Tagger
    development_login: bool = False


def view_context(request: Request) -> ViewContext:
    """The parts of the application that serves this request."""
    context: ViewContext = request.app.state.view
    return context


_BEARER = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description="The learner is the token's `sub`.",
    auto_error=False,
)


async def principal(
    request: Request,
    view: Annotated[ViewContext, Depends(view_context)],
    _documented: Annotated[Any, Security(_BEARER)],
) -> Principal:
    """Who asks; refuses everybody without a valid token."""
    return await view.authenticator.authenticate(request)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one learner, at one moment."""

    request: Request
    view: ViewContext
    user_id: str
    now: dt.datetime

    async def answer(
        self,
        read: Callable[[ProgressReads], Awaitable[_Read]],
        present: Callable[[_Read], BaseModel],
    ) -> Response:
        """Read, present and tag the answer; 304 when the client has it already.

        A question with a tag costs a look-up by primary key first; any other is one read.
        """
        if asks_for_change(self.request):
            tag = self.tag(await self.view.reads.stamp(self.user_id))
            if matches(self.request, tag):
                return not_modified(tag)
        found = await read(self.view.reads)
        return Response(
            present(found).model_dump_json(),
            media_type="application/json",
            headers=caching_headers(self.tag(found.stamp)),
        )

    def tag(self, stamp: Stamp) -> str:
        """The tag of the answer that the learner's stamp leads to."""
        return self.view.tagger.tag(self.request, self.user_id, stamp, self.now)


async def asked(
    request: Request,
    view: Annotated[ViewContext, Depends(view_context)],
    who: Annotated[Principal, Depends(principal)],
    user_id: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_USER_ID,
            pattern=NO_NUL,
            description=f"Another learner, for tokens with the scope `{READ_ANY}` only.",
        ),
    ] = None,
) -> Asked:
    """Whom the request asks about: the token's learner, or for a few tokens any."""
    if user_id is not None and not who.may_read_any:
        raise HTTPException(403, f"`user_id` needs a token with the scope {READ_ANY}.")
    if len(request.query_params.getlist("user_id")) > 1:
        raise invalid("user_id", "give it once")
    return Asked(request, view, user_id or who.user_id, view.clock())


def invalid(parameter: str, message: str) -> RequestValidationError:
    """A query parameter that only its handler can find wrong."""
    return RequestValidationError(
        [{"type": "value_error", "loc": ("query", parameter), "msg": message}]
    )
