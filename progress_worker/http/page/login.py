"""A login for development: a link that stores a token in a cookie, which only the page reads."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from progress_worker.http.api.routes import ReadRouter
from progress_worker.http.context import refuse_repeated, view_context
from progress_worker.http.page.refusal import PageRoute

router = ReadRouter(include_in_schema=False, route_class=PageRoute)

COOKIE: Final = "progress_token"


def token_in_cookie(request: Request) -> str | None:
    """The token that the login stored in the browser. It is not verified."""
    return request.cookies.get(COOKIE)


@router.get("/login")
async def login(request: Request, token: Annotated[str, Query()] = "") -> Response:
    """Store a valid token until the browser is closed, and redirect to the page."""
    refuse_repeated(request)
    await view_context(request).authenticator.verify(token)
    response = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        COOKIE,
        token,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response
