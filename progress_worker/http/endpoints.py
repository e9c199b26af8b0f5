"""The view's endpoints: each is declared once, for the front and for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from progress_worker.http.api.fields import Answer
from progress_worker.http.context import ViewContext
from progress_worker.http.parameters import Parameter, Values, read_parameters
from progress_worker.http.problems import Expected, problem_of

_PLACEHOLDER: Final = "{"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an endpoint. `in_path` is the text in the place of the path's parameter."""

    request: Request
    view: ViewContext
    endpoint: Endpoint
    in_path: str | None = None

    def values(self) -> Values:
        """The values of the endpoint's parameters."""
        return read_parameters(
            self.endpoint.parameters, self.request.scope["query_string"], self.in_path
        )


Handler = Callable[[Call], Awaitable[Response]]


def refuse_as_problem(call: Call, error: Expected) -> Response:
    """The error for a program."""
    return problem_of(call.request.scope["state"]["request_id"], error)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path, its handler, and what the OpenAPI document says about it.

    The path may have a placeholder, which stands for any text. Where two paths match, the one that
    has more after it counts. Without a tag, the document leaves the endpoint out. `answer` is the
    model of its JSON, or the content by media type.
    `statuses` are those that only this endpoint has. `refuse` makes the answer of an error.
    Clients keep the answers for a learner and ask whether they still hold, except where not `kept`.
    An answer that `has_texts` of the rule book is in the reader's language. One that `has_rarity`
    says how rare achievements are, and changes when they are counted again.
    """

    path: str
    handle: Handler
    tag: str = ""
    answer: type[Answer] | Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter[Any], ...] = ()
    needs_token: bool = False
    kept: bool = True
    has_texts: bool = False
    has_rarity: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    statuses: tuple[int, ...] = ()
    refuse: Callable[[Call, Expected], Response] = refuse_as_problem

    @property
    def has_placeholder(self) -> bool:
        """Whether one path stands for many."""
        return _PLACEHOLDER in self.path


class Endpoints:
    """Finds the endpoint of a path. Paths match exactly, from their first to their last byte."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self.all = endpoints
        self._exact = {found.path: found for found in endpoints if not found.has_placeholder}
        around = [(*_around(found.path), found) for found in endpoints if found.has_placeholder]
        #: What is before the placeholder, and what is after it.
        self._with_text = sorted(around, key=lambda each: -len(each[1]))

    def find(self, path: str) -> tuple[Endpoint | None, str | None]:
        """The endpoint, and the text in the place of its path's parameter."""
        endpoint = self._exact.get(path)
        if endpoint is not None:
            return endpoint, None
        for before, after, found in self._with_text:
            end = len(path) - len(after)
            if len(before) <= end and path.startswith(before) and path.endswith(after):
                return found, path[len(before) : end]
        return None, None


def _around(path: str) -> tuple[str, str]:
    before, _, placeholder = path.partition(_PLACEHOLDER)
    return before, placeholder.partition("}")[2]
