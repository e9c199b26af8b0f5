"""Parameters of requests: each is declared once, for its check and for the OpenAPI document."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import parse_qsl

from progress_worker.domain.vocabulary import NO_NUL
from progress_worker.http.problems import InvalidParameter

_Value = TypeVar("_Value")

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Generic[_Value]):
    """A parameter of a query or of a path.

    `read` turns its text into a value, and raises ValueError with a sentence for the client.
    `schema` describes the text in the OpenAPI document. A parameter of a path is always given.
    """

    name: str
    description: str
    read: Callable[[str], _Value]
    schema: Mapping[str, Any]
    default: _Value
    examples: tuple[str, ...] = ()
    place: Literal["query", "path"] = "query"

    def invalid(self, message: str) -> InvalidParameter:
        """The mistake of a request in this parameter."""
        return InvalidParameter(location=f"{self.place}.{self.name}", message=message)


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a request's parameters, and what is wrong with the request."""

    values: Mapping[str, Any] = field(default_factory=dict)
    mistakes: list[InvalidParameter] = field(default_factory=list)

    def __getitem__(self, parameter: Parameter[_Value]) -> _Value:
        """The parameter's value, or its default."""
        value: _Value = self.values.get(parameter.name, parameter.default)
        return value


_NOTHING: Final = Values()


def read_parameters(
    parameters: Iterable[Parameter[Any]], query: bytes, in_path: str | None
) -> Values:
    """Read what the request gives for these parameters. Other parameters are ignored."""
    if not query and in_path is None:
        return _NOTHING
    given: dict[str, list[str]] = {}
    for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(text)
    values: dict[str, Any] = {}
    mistakes: list[InvalidParameter] = []
    for parameter in parameters:
        texts = given.get(parameter.name, []) if parameter.place == "query" else [in_path or ""]
        if len(texts) > 1:
            mistakes.append(parameter.invalid("give it once"))
        elif texts:
            try:
                values[parameter.name] = parameter.read(texts[0])
            except ValueError as error:
                mistakes.append(parameter.invalid(str(error)))
    return Values(values, mistakes)


def read_date(text: str) -> dt.date:
    """A date as in 2026-11-23."""
    if not _DATE.fullmatch(text):
        raise ValueError("a date is written as in 2026-11-23")
    return dt.date.fromisoformat(text)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number of that range, without signs and leading zeros."""

    def read(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most} is needed, as in {most}")
        return int(text)

    return read


def text_of(most: int) -> Callable[[str], str]:
    """Reads a text of 1 to `most` characters that Postgres can store."""

    def read(text: str) -> str:
        if not 1 <= len(text) <= most:
            raise ValueError(f"1 to {most} characters are needed")
        if not re.fullmatch(NO_NUL, text):
            raise ValueError("it must not hold the character NUL")
        return text

    return read


def text_schema(most: int) -> dict[str, Any]:
    """The schema of a text of 1 to `most` characters."""
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": NO_NUL}


def one_of(words: tuple[_Value, ...]) -> Callable[[str], _Value]:
    """Reads one of these words."""

    def read(text: str) -> _Value:
        for word in words:
            if word == text:
                return word
        raise ValueError(f"it is one of {', '.join(map(str, words))}")

    return read
