"""Every error as RFC 9457 problem details."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from progress_worker.errors import TransientError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2

#: The methods of every path: the view is read-only.
ALLOW: Final = "GET, HEAD"


class InvalidParameter(BaseModel):
    """One thing that is wrong with a request."""

    location: str = Field(description="Where the mistake is.", examples=["query.days"])
    message: str = Field(description="What the request must have there.")


class Problem(BaseModel):
    """What went wrong, by RFC 9457."""

    type: str = Field(default="about:blank", description="The kind of problem. The status says it.")
    title: str = Field(description="The status in words.", examples=["Unauthorized"])
    status: int = Field(description="The HTTP status code.", examples=[401])
    detail: str = Field(description="What went wrong this time.")
    request_id: str = Field(description="The request's id, which the log has too.")
    errors: list[InvalidParameter] | None = Field(
        default=None, description="What is wrong with the request, with status 422."
    )


def problem(
    request_id: str,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[InvalidParameter] | None = None,
) -> Response:
    """An answer that says what went wrong."""
    body = Problem(
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request_id,
        errors=errors,
    )
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every expected error as a problem."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(TransientError, _unavailable)


def _request_id(request: Request) -> str:
    return str(request.scope["state"]["request_id"])


async def _refused(request: Request, error: Any) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ALLOW
    return problem(_request_id(request), error.status_code, error.detail, headers)


async def _invalid(request: Request, error: Any) -> Response:
    errors = [
        InvalidParameter(
            location=".".join(str(part) for part in found["loc"]),
            message=str(found["msg"]).removeprefix("Value error, "),
        )
        for found in error.errors()
    ]
    detail = "; ".join(f"{found.location}: {found.message}" for found in errors)
    return problem(_request_id(request), http.HTTPStatus.UNPROCESSABLE_ENTITY, detail, None, errors)


async def _unavailable(request: Request, error: Any) -> Response:
    request.scope["state"]["unavailable"] = str(error)
    return problem(
        _request_id(request),
        http.HTTPStatus.SERVICE_UNAVAILABLE,
        "The progress cannot be read just now; try again soon.",
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
