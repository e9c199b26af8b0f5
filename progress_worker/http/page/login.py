"""A login for development: a link that stores a token in a cookie, which only the page reads."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from progress_worker.http.endpoints import Call, Endpoint
from progress_worker.http.page.refusal import refuse_as_page
from progress_worker.http.parameters import Parameter
from progress_worker.http.problems import InvalidRequestError

COOKIE: Final = "progress_token"
TOKEN: Final[Parameter[str]] = Parameter(
    "token", "The token to store.", str, {"type": "string"}, ""
)


def token_in_cookie(request: Request) -> str | None:
    """The token that the login stored in the browser. It is not verified."""
    return request.cookies.get(COOKIE)


async def login(call: Call) -> Response:
    """Store a valid token until the browser is closed, and redirect to the page."""
    values = call.values()
    if values.mistakes:
        raise InvalidRequestError(values.mistakes)
    token = values[TOKEN]
    await call.view.authenticator.verify(token)
    response = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        COOKIE,
        token,
        httponly=True,
        samesite="strict",
        secure=call.request.url.scheme == "https",
    )
    return response


ENDPOINT: Final = Endpoint("/login", login, parameters=(TOKEN,), refuse=refuse_as_page)
