"""Paths match exactly: what a path holds beyond its route's template is never cut off."""

from __future__ import annotations

from typing import Final

from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Match
from starlette.types import Scope

#: In a template, as in `{topic:any_text}`: a parameter that may hold every character.
ANY_TEXT: Final = "any_text"


class _AnyText(Convertor[str]):
    """Every text; Starlette's own `path` has none with a line break."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor(ANY_TEXT, _AnyText())


class ExactRoute(APIRoute):
    """A route whose path is its template, filled with its parameters, and nothing more.

    Starlette's patterns end with `$`, which also matches before a line break at the end.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the request's route; its parameters are in the scope returned."""
        match, found = super().matches(scope)
        if match is Match.NONE:
            return match, found
        path = self.path_format.format(**found["path_params"])
        return (match, found) if scope["path"].endswith(path) else (Match.NONE, {})
