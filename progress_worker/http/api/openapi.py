"""The OpenAPI document of the application. `schemas/openapi.json` is its published copy."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from progress_worker import __version__
from progress_worker.http.api.responses_over_time import ExportAnswer
from progress_worker.http.problems import MEDIA_TYPE, Problem

TITLE: Final = "Learners' progress"
DESCRIPTION: Final = (
    "What a learner has achieved: totals, streaks, skill levels, achievements, history. "
    "Read-only; every path that can be read answers HEAD as well. Days are the learner's own."
)
_SCHEMAS: Final = "#/components/schemas/"
_HEADERS: Final = {
    "ETag": "Changes whenever the answer does; send it as `If-None-Match`.",
    "Cache-Control": "Only the reader may keep the answer, and must revalidate it each time.",
}
_PROBLEMS: Final = {
    "401": "No valid bearer token.",
    "403": "The token may not read another learner.",
    "404": "No such path.",
    "405": "Only GET and HEAD.",
    "422": "A parameter is wrong.",
    "429": "An export of this learner is running; `Retry-After` says when to try again.",
    "500": "Something went wrong on our side.",
    "503": "Postgres or the signing keys are away; `Retry-After` says when to try again.",
}
#: A path has these only if it declares them itself.
_PARTICULAR: Final = frozenset({"429"})
_OPEN: Final = ("404", "405", "500", "503")


def describe(app: FastAPI) -> dict[str, Any]:
    """The application's OpenAPI document."""
    document: dict[str, Any] = get_openapi(
        title=TITLE, version=__version__, description=DESCRIPTION, routes=app.routes
    )
    schemas = document["components"]["schemas"]
    for model in (Problem, ExportAnswer):
        schema = model.model_json_schema(ref_template=_SCHEMAS + "{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation)
    return document


def _complete(operation: dict[str, Any]) -> None:
    """Add to an operation what all have in common: headers, 304 and problems."""
    responses = operation["responses"]
    responses.pop("422", None)
    if "security" in operation:
        headers = {
            name: {"description": text, "required": True, "schema": {"type": "string"}}
            for name, text in _HEADERS.items()
        }
        responses["200"]["headers"] = headers
        responses["304"] = {
            "description": "The client's answer is still valid.",
            "headers": headers,
        }
    common = _PROBLEMS.keys() - _PARTICULAR if "security" in operation else set(_OPEN)
    for status in sorted(common | _PARTICULAR & responses.keys()):
        responses[status] = {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMAS + "Problem"}}},
        }
