"""The page that shows a learner's progress to a person, its stylesheet and its icon."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from progress_worker.http.api.presentation import achievement_rows
from progress_worker.http.api.windows import MAX_DAYS
from progress_worker.http.asking import USER_ID, Asked, of_learner
from progress_worker.http.conditional import (
    asks_for_change,
    caching_headers,
    matches,
)
from progress_worker.http.endpoints import Call, Endpoint
from progress_worker.http.page.login import token_in_cookie
from progress_worker.http.page.presentation import days_to_read, present_page
from progress_worker.http.page.refusal import refuse_as_page
from progress_worker.http.page.templating import ICON, PAGE_HEADERS, STYLESHEET, Asset, render
from progress_worker.http.security.authentication import Principal

_A_YEAR: Final = "public, max-age=31536000, immutable"
_VARY: Final = {"Vary": "Authorization, Cookie"}


async def reader(call: Call) -> Principal:
    """The principal of the header's token, or in development also of the cookie's."""
    request, view = call.request, call.view
    token = token_in_cookie(request) if view.development_login else None
    if token is None or "authorization" in request.headers:
        return await view.authenticator.authenticate(request)
    return await view.authenticator.verify(token)


async def page(question: Asked) -> Response:
    """Totals, streak, calendar, last days, skill levels and badges, made to be read."""
    view = question.view
    headers = PAGE_HEADERS | _VARY
    if asks_for_change(question.request):
        unchanged = question.unchanged(await view.reads.stamp(question.user_id))
        if unchanged:
            unchanged.headers.update(headers)
            return unchanged
    days = days_to_read(question.now)
    found = await view.reads.page(question.user_id, days.first, days.last)

    def make() -> bytes:
        shown = present_page(found.decode(), question.now)
        return render("progress.html", page=shown).encode()

    body = await view.computing.make(
        found.characters, make, rows=MAX_DAYS + achievement_rows(found.stamp)
    )
    return HTMLResponse(body, headers=caching_headers(question.tag(found.stamp)) | headers)


async def stylesheet(call: Call) -> Response:
    """The page's stylesheet. It never changes under the address that the page uses."""
    return _asset(call.request, STYLESHEET, "text/css; charset=utf-8")


async def icon(call: Call) -> Response:
    """The page's icon."""
    return _asset(call.request, ICON, "image/svg+xml")


def _asset(request: Request, asset: Asset, media_type: str) -> Response:
    tag = f'"{asset.version}"'
    current = request.query_params.getlist("v") == [asset.version]
    headers = {"ETag": tag, "Cache-Control": _A_YEAR if current else "no-cache"}
    if matches(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(asset.read(), media_type=media_type, headers=headers)


ENDPOINTS: Final = (
    Endpoint("/", of_learner(page, reader), parameters=(USER_ID,), refuse=refuse_as_page),
    Endpoint(STYLESHEET.path, stylesheet),
    Endpoint(ICON.path, icon),
)
