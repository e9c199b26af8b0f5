"""The page that shows a learner's progress to a person, its stylesheet and its icon."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from progress_worker.domain.vocabulary import NO_NUL
from progress_worker.http.api.presentation import achievement_rows
from progress_worker.http.api.routes import ReadRouter
from progress_worker.http.api.windows import MAX_DAYS
from progress_worker.http.conditional import (
    asks_for_change,
    caching_headers,
    matches,
)
from progress_worker.http.context import Asked, View, asked
from progress_worker.http.page.login import token_in_cookie
from progress_worker.http.page.presentation import days_to_read, present_page
from progress_worker.http.page.refusal import PageRoute
from progress_worker.http.page.templating import ICON, PAGE_HEADERS, STYLESHEET, render
from progress_worker.http.security.authentication import MAX_USER_ID, READ_ANY, Principal

router = ReadRouter(include_in_schema=False, route_class=PageRoute)

_A_YEAR: Final = "public, max-age=31536000, immutable"
_VARY: Final = {"Vary": "Authorization, Cookie"}


async def reader(request: Request, view: View) -> Principal:
    """The principal of the header's token, or in development also of the cookie's."""
    token = token_in_cookie(request) if view.development_login else None
    if token is None or "authorization" in request.headers:
        return await view.authenticator.authenticate(request)
    return await view.authenticator.verify(token)


async def looked_at(
    request: Request,
    view: View,
    who: Annotated[Principal, Depends(reader)],
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
    """The learner whose page is shown."""
    return await asked(request, view, who, user_id)


@router.get("/")
async def page(question: Annotated[Asked, Depends(looked_at)]) -> Response:
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


@router.get(STYLESHEET.path)
async def stylesheet(request: Request) -> Response:
    """The page's stylesheet. It never changes under the address that the page uses."""
    return _asset(request, STYLESHEET.read(), "text/css; charset=utf-8", STYLESHEET.version)


@router.get(ICON.path)
async def icon(request: Request) -> Response:
    """The page's icon."""
    return _asset(request, ICON.read(), "image/svg+xml", ICON.version)


def _asset(request: Request, content: bytes, media_type: str, version: str) -> Response:
    tag = f'"{version}"'
    current = request.query_params.getlist("v") == [version]
    headers = {"ETag": tag, "Cache-Control": _A_YEAR if current else "no-cache"}
    if matches(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
