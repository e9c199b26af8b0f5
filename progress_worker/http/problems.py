"""Every error as RFC 9457 problem details."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.responses import Response

from progress_worker.errors import TransientError
from progress_worker.http.api.fields import Answer

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2

#: The methods of every path: the view is read-only.
ALLOW: Final = "GET, HEAD"


class InvalidParameter(Answer, frozen=True, kw_only=True):
    """One thing that is wrong with a request."""

    location: Annotated[str, Meta(description="Where the mistake is.", examples=["query.days"])]
    message: Annotated[str, Meta(description="What the request must have there.")]


class Problem(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, by RFC 9457."""

    # Without a default, since a default would be left out of the answer.
    type: Annotated[
        str,
        Meta(
            description="The kind of problem. The status says it.",
            extra_json_schema={"default": "about:blank"},
        ),
    ]
    title: Annotated[str, Meta(description="The status in words.", examples=["Unauthorized"])]
    status: Annotated[int, Meta(description="The HTTP status code.", examples=[401])]
    detail: Annotated[str, Meta(description="What went wrong this time.")]
    request_id: Annotated[str, Meta(description="The request's id, which the log has too.")]
    errors: Annotated[
        list[InvalidParameter] | None,
        Meta(description="What is wrong with the request, with status 422."),
    ] = None


class InvalidRequestError(Exception):
    """Parameters are wrong."""

    def __init__(self, mistakes: list[InvalidParameter]) -> None:
        super().__init__("; ".join(f"{found.location}: {found.message}" for found in mistakes))
        self.mistakes = mistakes


#: The errors that a client is told about.
Expected = HTTPException | InvalidRequestError | TransientError


def problem(
    request_id: str,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[InvalidParameter] | None = None,
) -> Response:
    """An answer that says what went wrong."""
    body = Problem(
        type="about:blank",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request_id,
        errors=errors,
    )
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def problem_of(request_id: str, error: Expected) -> Response:
    """The answer that tells a client about the error."""
    if isinstance(error, HTTPException):
        return problem(request_id, error.status_code, error.detail, error.headers)
    if isinstance(error, InvalidRequestError):
        status = http.HTTPStatus.UNPROCESSABLE_ENTITY
        return problem(request_id, status, str(error), None, error.mistakes)
    return problem(
        request_id,
        http.HTTPStatus.SERVICE_UNAVAILABLE,
        "The progress cannot be read just now; try again soon.",
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
