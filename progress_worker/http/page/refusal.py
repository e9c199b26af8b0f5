"""What a person reads instead of the page if it cannot be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from progress_worker.http.endpoints import Call, refuse_as_problem
from progress_worker.http.page.templating import PAGE_HEADERS, render
from progress_worker.http.problems import RETRY_AFTER_SECONDS, Expected, InvalidRequestError


class Refusal(NamedTuple):
    """What happened and what can be done about it."""

    title: str
    text: str


_REFUSALS: Final = {
    401: Refusal(
        "You are not signed in",
        "This page belongs to one learner, and we cannot tell yet that it is you. Open it once "
        "more from where you learn: a link is good for a while only, then a new one is needed.",
    ),
    403: Refusal(
        "This page is somebody else’s",
        "You are signed in, but not as somebody who may see another learner’s progress. "
        "Your own is at the address without anything after the question mark.",
    ),
    422: Refusal(
        "This address is not quite right",
        "There is no learner with such a name. Please check the end of the address.",
    ),
    429: Refusal(
        "One download at a time",
        "Your progress is being downloaded already. Please try again when that is finished.",
    ),
    503: Refusal(
        "Back in a moment",
        "Your progress is safe; it just cannot be read right now. Please load the page again in "
        "a few seconds.",
    ),
}


def refuse_as_page(call: Call, error: Expected) -> Response:
    """The error for a person. What no person causes stays a problem for programs."""
    if isinstance(error, InvalidRequestError):
        return _refuse(call, 422)
    if not isinstance(error, HTTPException):
        return _refuse(call, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    if error.status_code not in _REFUSALS:
        return refuse_as_problem(call, error)
    return _refuse(call, error.status_code, error.headers)


def _refuse(call: Call, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(
        render(
            "refusal.html",
            refusal=_REFUSALS[status],
            request_id=call.request.scope["state"]["request_id"],
        ),
        status_code=status,
        headers={**PAGE_HEADERS, "Cache-Control": "no-store", **(headers or {})},
    )
