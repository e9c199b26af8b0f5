"""Routes match whole paths only, and may have a parameter that holds any text."""

from __future__ import annotations

from typing import Final

from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Match
from starlette.types import Scope

#: In a template, as in `{topic:any_text}`: a parameter that may hold every character.
ANY_TEXT: Final = "any_text"


class _AnyText(Convertor[str]):
    """Any text. Starlette's own `path` takes no line breaks."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor(ANY_TEXT, _AnyText())


class ExactRoute(APIRoute):
    """A route that matches its template with parameters, and nothing after it.

    Starlette's patterns end with `$`, which also matches before a line break at the end.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the request's route. The returned scope has its parameters."""
        match, found = super().matches(scope)
        if match is Match.NONE:
            return match, found
        path = self.path_format.format(**found["path_params"])
        return (match, found) if scope["path"].endswith(path) else (Match.NONE, {})
