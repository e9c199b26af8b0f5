"""The OpenAPI document of the endpoints. `schemas/openapi.json` is its published copy."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from progress_worker import __version__
from progress_worker.http.api.fields import Answer
from progress_worker.http.api.responses_of_export import ExportAnswer
from progress_worker.http.endpoints import Endpoint
from progress_worker.http.languages import ACCEPT_LANGUAGE
from progress_worker.http.parameters import Parameter
from progress_worker.http.problems import MEDIA_TYPE, Problem

TITLE: Final = "Learners' progress"
DESCRIPTION: Final = (
    "What a learner has achieved: totals, streaks, skill levels, achievements, history. "
    "Read-only; every path that can be read answers HEAD as well. Days are the learner's own."
)
_SCHEMAS: Final = "#/components/schemas/"
_BEARER: Final = {
    "type": "http",
    "description": "The learner is the token's `sub`.",
    "scheme": "bearer",
    "bearerFormat": "JWT",
}
_HEADERS: Final = {
    name: {"description": text, "required": True, "schema": {"type": "string"}}
    for name, text in {
        "ETag": "Changes whenever the answer does; send it as `If-None-Match`.",
        "Cache-Control": "Only the reader may keep the answer, and must revalidate it each time.",
    }.items()
}
_CONTENT_LANGUAGE: Final = {
    "Content-Language": {
        "description": "The language of the achievements' texts.",
        "schema": {"type": "string"},
    }
}
_ACCEPT_LANGUAGE: Final = {
    "name": ACCEPT_LANGUAGE,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "examples": ["de-AT, de;q=0.9, en;q=0.5"]},
    "description": "The languages that the reader accepts. What the rule book does not have in one "
    "of them is in its default language.",
}
_PROBLEMS: Final = {
    401: "No valid bearer token.",
    403: "The token may not read another learner.",
    404: "No such path.",
    405: "Only GET and HEAD.",
    422: "A parameter is wrong.",
    429: "An export of this learner is running, or five streams are; `Retry-After` says when to "
    "try again.",
    500: "Something went wrong on our side.",
    503: "Postgres or the signing keys are away; `Retry-After` says when to try again.",
}
_OF_ALL: Final = (404, 405, 500, 503)
_OF_LEARNERS: Final = (401, 403, 422)


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of those endpoints that have a tag."""
    documented = [found for found in endpoints if found.tag]
    answers = [found.answer for found in documented if isinstance(found.answer, type)]
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "description": DESCRIPTION, "version": __version__},
        "paths": {found.path: {"get": _operation(found)} for found in documented},
        "components": {
            "schemas": _schemas([*answers, Problem, ExportAnswer]),
            "securitySchemes": {"bearer": _BEARER},
        },
    }


def _schemas(answers: list[type[Answer]]) -> dict[str, Any]:
    return model_schemas(answers, _SCHEMAS)


def model_schemas(models: list[type[Answer]], place: str) -> dict[str, Any]:
    """The JSON Schema of each model, and of those in them. References begin with `place`."""
    _, schemas = msgspec.json.schema_components(models, ref_template=place + "{name}")
    for schema in schemas.values():
        for field in schema["properties"].values():
            if all(isinstance(word, str) for word in field.get("enum", [0])):
                field["type"] = "string"  # msgspec leaves it to the words
    return dict(sorted(schemas.items()))


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    handle: Any = endpoint.handle
    name = handle.__name__
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "summary": name.replace("_", " ").title(),
        "description": inspect.getdoc(handle),
        "operationId": name,
    }
    if endpoint.needs_token:
        operation["security"] = [{"bearer": []}]
    parameters = [_parameter(found) for found in endpoint.parameters]
    if endpoint.has_texts:
        parameters.append(_ACCEPT_LANGUAGE)
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = _responses(endpoint)
    return operation


def _parameter(parameter: Parameter[Any]) -> dict[str, Any]:
    schema = {**parameter.schema, "description": parameter.description}
    if parameter.examples:
        schema["examples"] = list(parameter.examples)
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "schema": schema,
        "description": parameter.description,
    }


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    answer = endpoint.answer
    if isinstance(answer, type):
        answer = {"application/json": {"schema": {"$ref": _SCHEMAS + answer.__name__}}}
    good: dict[str, Any] = {"description": "Successful Response", "content": answer}
    responses: dict[int, Any] = {200: {**good, **endpoint.about}}
    if endpoint.needs_token and endpoint.kept:
        good_headers = {"headers": _HEADERS | (_CONTENT_LANGUAGE if endpoint.has_texts else {})}
        responses[200] |= good_headers
        responses[304] = {"description": "The client's answer is still valid.", **good_headers}
    statuses = {*_OF_ALL, *endpoint.statuses, *(_OF_LEARNERS if endpoint.needs_token else ())}
    for status in sorted(statuses):
        responses[status] = {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMAS + "Problem"}}},
        }
    return {str(status): responses[status] for status in responses}
