"""What a person reads instead of the page if it cannot be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from progress_worker.http.endpoints import Call, refuse_as_problem
from progress_worker.http.languages import ACCEPT_LANGUAGE, accepted_languages
from progress_worker.http.page.templating import PAGE_HEADERS, render
from progress_worker.http.problems import RETRY_AFTER_SECONDS, Expected, InvalidRequestError

#: What a person can do something about. The texts are by status.
_REFUSALS: Final = frozenset({401, 403, 422, 429, 503})


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
    request_id = call.request.scope["state"]["request_id"]
    language = call.view.page_languages.choose(accepted_languages(call.request.scope))
    return HTMLResponse(
        render(language, "refusal.html", status=status, request_id=request_id),
        status_code=status,
        headers={
            **PAGE_HEADERS,
            "Cache-Control": "no-store",
            "Content-Language": language.tag,
            "Vary": ACCEPT_LANGUAGE,
            **(headers or {}),
        },
    )
