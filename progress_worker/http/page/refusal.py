"""What a person reads instead of the page if it cannot be shown."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, NamedTuple

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from progress_worker.errors import TransientError
from progress_worker.http.api.paths import ExactRoute
from progress_worker.http.page.templating import PAGE_HEADERS, render
from progress_worker.http.problems import RETRY_AFTER_SECONDS


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
    503: Refusal(
        "Back in a moment",
        "Your progress is safe; it just cannot be read right now. Please load the page again in "
        "a few seconds.",
    ),
}


class PageRoute(ExactRoute):
    """A route for browsers. Its errors are pages for people, not JSON for programs."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler. Its expected errors become pages."""
        handle = super().get_route_handler()

        async def handle_or_refuse(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                return _refuse(request, 422)
            except TransientError as error:
                request.scope["state"]["unavailable"] = str(error)
                return _refuse(request, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})
            except HTTPException as error:
                if error.status_code not in _REFUSALS:
                    raise
                return _refuse(request, error.status_code, error.headers)

        return handle_or_refuse


def _refuse(request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(
        render(
            "refusal.html",
            refusal=_REFUSALS[status],
            request_id=request.scope["state"]["request_id"],
        ),
        status_code=status,
        headers={**PAGE_HEADERS, "Cache-Control": "no-store", **(headers or {})},
    )
