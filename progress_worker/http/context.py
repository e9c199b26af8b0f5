"""What every handler needs: the parts of the view, and the learner in question."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from progress_worker.domain.vocabulary import NO_NUL
from progress_worker.http.api.responses import to_json
from progress_worker.http.api.spools import Spools
from progress_worker.http.computing import Computing
from progress_worker.http.conditional import (
    asks_for_change,
    caching_headers,
    matches,
    not_modified,
    tag_of,
)
from progress_worker.http.metrics import ViewMetrics
from progress_worker.http.security.authentication import (
    MAX_USER_ID,
    READ_ANY,
    Authenticator,
    Principal,
)
from progress_worker.storage.read.export import ExportReads
from progress_worker.storage.read.views import ProgressReads, Stamp, StoredRow

_View = TypeVar("_View")


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
    spools: Spools
    export_seconds: float
    computing: Computing
    development_login: bool = False


def view_context(request: Request) -> ViewContext:
    """The parts of the application that serves this request."""
    context: ViewContext = request.app.state.view
    return context


View = Annotated[ViewContext, Depends(view_context)]


_BEARER = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description="The learner is the token's `sub`.",
    auto_error=False,
)


async def principal(
    request: Request,
    view: View,
    _documented: Annotated[Any, Security(_BEARER)],
) -> Principal:
    """The principal of the request. Refuses a request without a valid token."""
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
        read: Callable[[ProgressReads], Awaitable[StoredRow[_View]]],
        present: Callable[[_View], BaseModel],
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
            if unchanged := self.unchanged(stamp):
                return unchanged
        found = await read(self.view.reads)
        check(found.stamp)
        body = await self.view.computing.make(
            found.characters,
            lambda: to_json(present(found.decode())).encode(),
            rows=rows(found.stamp),
        )
        headers = caching_headers(self.tag(found.stamp))
        return Response(body, media_type="application/json", headers=headers)

    def unchanged(self, stamp: Stamp) -> Response | None:
        """304 if the client already has the answer that belongs to the stamp."""
        tag = self.tag(stamp)
        return not_modified(tag) if matches(self.request, tag) else None

    def tag(self, stamp: Stamp) -> str:
        """The tag of the answer that belongs to the learner's stamp."""
        return tag_of(self.request, self.user_id, stamp, self.now)


async def asked(
    request: Request,
    view: View,
    who: Annotated[Principal, Depends(principal)],
    user_id: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_USER_ID,
            pattern=NO_NUL,
            description=f"Another learner, for tokens with the scope `{READ_ANY}` only.",
            examples=["learner-17"],
        ),
    ] = None,
) -> Asked:
    """The learner in question: the token's, or any learner if the token may read all."""
    if user_id is not None and not who.may_read_any:
        raise HTTPException(403, f"`user_id` needs a token with the scope {READ_ANY}.")
    refuse_repeated(request)
    return Asked(request, view, user_id or who.user_id, view.clock())


def refuse_repeated(request: Request) -> None:
    """Refuse a request that gives one of its route's parameters more than once.

    FastAPI would take the last one. Parameters that the route does not have are ignored.
    """
    for name in sorted(_query_parameters(request.scope["route"].dependant)):
        if len(request.query_params.getlist(name)) > 1:
            raise invalid(name, "give it once")


def invalid(parameter: str, message: str) -> RequestValidationError:
    """The error for a query parameter whose mistake only the handler can find."""
    return RequestValidationError(
        [{"type": "value_error", "loc": ("query", parameter), "msg": message}]
    )


def _query_parameters(dependant: Dependant) -> set[str]:
    """The names of the query parameters of a route and of its dependencies."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*(_query_parameters(part) for part in dependant.dependencies))
