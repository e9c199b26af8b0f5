"""Generates the reference page of the rule book's keys from its models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from progress_worker.domain.achievements import Described
from progress_worker.domain.completion_filters import CompletionFilters
from progress_worker.domain.rulebook_file import RuleBookFile
from progress_worker.domain.rulebook_format import format_that_added
from progress_worker.domain.written import Written

_INTRODUCTION: Final = """\
# Keys of the rule book

`progress-worker reference` writes this page from the models. Edit the models, not this page.
[The rule book](rule-book.md) explains what the keys mean together, with examples. "Format" is the
lowest format of rule books that has the key. A release refuses a rule book of a format that it does
not know ([change the rule book](operations.md#change-the-rule-book)).
"""
#: Parts that no single key names; all others are named after their key.
_TITLES: Final = {
    "RuleBookFile": "The whole file",
    "Achievement": "An achievement",
    "TieredAchievement": "An achievement with tiers",
    "AchievementTier": "A tier",
    "Translation": "A translation of an achievement",
    "TranslatedName": "A translation of a tier",
    "TranslatedTopicName": "A translation of a topic",
    "Rule": "A rule",
    "StreakRules": "The policy `streak`",
    "StreakReached": "The rule `streak`",
    "TopicNames": "A topic",
    "LevelThreshold": "A level",
    "CompletionFilters": "Filters",
}
_HEAD: Final = ("| key | value | default | format |", "| --- | --- | --- | ---: |")
_FILTERED: Final = ("ExercisesCompleted", "TimeSpent")

_Schema = dict[str, Any]


def rulebook_page() -> str:
    """Every part of a rule book with its meaning, its keys, their values and defaults."""
    return "\n".join([_INTRODUCTION, *_Page().lines()]) + "\n"


class _Page:
    """The parts in the order in which the file refers to them."""

    def __init__(self) -> None:
        self._models = {model.__name__: model for model in _all_of(Written)}
        whole = RuleBookFile.model_json_schema()
        self._schemas: dict[str, _Schema] = {
            **whole.pop("$defs"),
            "RuleBookFile": whole,
            "CompletionFilters": CompletionFilters.model_json_schema(),
        }
        self._titles: dict[str, str] = {}
        self._formats: dict[str, int] = {}
        self._visit("RuleBookFile", "", 1)
        self._visit("CompletionFilters", "", 1)

    def lines(self) -> Iterator[str]:
        for name in self._titles:
            yield from self._part(name)

    def _visit(self, name: str, key: str, format_: int) -> None:
        """Parts come with the key that names them, the earliest one."""
        if self._formats.get(name, format_ + 1) <= format_:
            return
        self._titles.setdefault(name, _TITLES.get(name, f"`{key}`"))
        self._formats[name] = format_
        for own, schema in self._schemas[name]["properties"].items():
            for part in _parts(schema):
                self._visit(part, own, max(format_, self._format(name, own)))

    def _part(self, name: str) -> Iterator[str]:
        schema = self._schemas[name]
        yield f"## {self._titles[name]}\n"
        yield from (f"{text}\n" for text in _meaning(self._models[name]))
        shared = self._schemas["CompletionFilters"]["properties"] if name in _FILTERED else {}
        if shared:
            yield "It also takes every one of the [filters](#filters).\n"
        yield from _HEAD
        for key, value in schema["properties"].items():
            if key not in shared:
                yield self._row(name, key, value, key in schema.get("required", ()))
        yield ""

    def _row(self, name: str, key: str, value: _Schema, required: bool) -> str:
        if required:
            default = "**required**"
        elif value.get("default") in (None, [], {}):
            default = "–"
        else:
            default = f"`{_written(value['default'])}`"
        said = self._value(value).replace("|", "\\|")
        return f"| `{key}` | {said} | {default} | {self._formats_of(name, key)} |"

    def _formats_of(self, name: str, key: str) -> str:
        """A filter may have come to one kind of rule before the other."""
        if name != "CompletionFilters":
            return str(max(self._formats[name], self._format(name, key)))
        first, later = (self._format(kind, key) for kind in _FILTERED)
        return str(first) if first == later else f"{first}; `time_spent`: {later}"

    def _format(self, name: str, key: str) -> int:
        model = self._models[name]
        names = {field.alias or own: own for own, field in model.model_fields.items()}
        needed = [own for own, field in model.model_fields.items() if field.is_required()]
        return max(format_that_added(name, own) for own in (names[key], *needed))

    def _value(self, value: _Schema) -> str:
        """What may be written, in words."""
        if (reference := value.get("$ref")) is not None:
            title = self._titles[reference.rpartition("/")[2]]
            return f"[{title}](#{_anchor(title)})"
        if (kinds := value.get("anyOf") or value.get("oneOf")) is not None:
            return " or ".join(self._value(kind) for kind in kinds if kind.get("type") != "null")
        if value.get("type") == "object":
            of = value.get("additionalProperties") or next(
                iter(value["patternProperties"].values())
            )
            return f"by name: {self._value(of)}"
        if value.get("type") == "array":
            return f"list of {self._value(value['items'])}{_bounds(value, 'Items')}"
        return _simple(value)


def _all_of(model: type[Written]) -> Iterator[type[Written]]:
    for kind in model.__subclasses__():
        yield kind
        yield from _all_of(kind)


def _parts(schema: _Schema) -> Iterator[str]:
    """The names of the parts that a value refers to."""
    for key, value in schema.items():
        if key == "$ref":
            yield value.rpartition("/")[2]
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, dict):
                yield from _parts(each)


def _meaning(model: type[Written]) -> Iterator[str]:
    """The docstring, and that of what achievements share."""
    for kind in model.__mro__:
        if kind is model or kind is Described:
            yield " ".join((kind.__doc__ or "").split())


def _simple(value: _Schema) -> str:
    words = value.get("enum", [value["const"]] if "const" in value else [])
    if words:
        return ", ".join(f"`{_written(word)}`" for word in words)
    if value["type"] == "string":
        return _text(value)
    if value["type"] == "boolean":
        return "`true` or `false`"
    kind = "whole number" if value["type"] == "integer" else "number"
    return kind + _bounds(value, "imum")


def _text(value: _Schema) -> str:
    if value.get("format") == "date":
        return "date, as in 2026-12-31"
    pattern = value.get("pattern", "")
    like = "" if not pattern or "\\x00" in pattern else f" like `{pattern}`"
    said = f"text{like}{_bounds(value, 'Length')}"
    return f"{said}, as in `{value['examples'][0]}`" if "examples" in value else said


def _bounds(value: _Schema, what: str) -> str:
    least, most = value.get(f"min{what}"), value.get(f"max{what}")
    if what == "Items":
        return "" if least is None else ", not empty"
    unit = " characters" if what == "Length" else ""
    if least is not None and most is not None:
        return f", {least:,} to {most:,}{unit}"
    if most is not None:
        return f", at most {most:,}{unit}"
    return "" if least is None else f", at least {least:,}{unit}"


def _written(value: object) -> str:
    """As YAML may be written in one line."""
    return value if isinstance(value, str) else json.dumps(value).replace('"', "")


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return title.lower().replace("`", "").replace(" ", "-")
