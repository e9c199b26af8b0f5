"""The OpenAPI document may grow, but what clients of the release before read must stay.

`frozen/openapi.json` is the document as it was when it was last published.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from progress_worker.http.application import openapi_document

FROZEN = Path(__file__).parent / "frozen" / "openapi.json"
#: What a client may rely on in a value, beside its type and its fields.
KEPT = ("format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern")

Schema = dict[str, Any]


class Document:
    """A document, and the schemas in it."""

    def __init__(self, content: Schema) -> None:
        self.content = content
        self.paths: Schema = content["paths"]

    def resolved(self, schema: Schema) -> Schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        return schema | self.content["components"]["schemas"][name] if name else schema

    def kinds(self, schema: Schema) -> set[str]:
        """The types of the values, with their words where those are given."""
        found = self.resolved(schema)
        if "anyOf" in found:
            return set().union(*(self.kinds(each) for each in found["anyOf"]))
        words = found.get("enum") or ([found["const"]] if "const" in found else [])
        return {str(word) for word in words} or {str(found.get("type"))}


def losses(old: Document, new: Document) -> Iterator[str]:
    """What the old document has and the new one has not."""
    for path, operations in old.paths.items():
        if path not in new.paths:
            yield f"{path}: removed"
            continue
        before, after = operations["get"], new.paths[path]["get"]
        for key in ("operationId", "tags", "security"):
            if before.get(key) != after.get(key):
                yield f"{path}: {key}"
        yield from lost_parameters(path, old, before, new, after)
        for status, response in before["responses"].items():
            if status not in after["responses"]:
                yield f"{path}: {status} removed"
                continue
            yield from lost_content(
                f"{path} {status}", old, response, new, after["responses"][status]
            )


def lost_parameters(
    path: str, old: Document, before: Schema, new: Document, after: Schema
) -> Iterator[str]:
    there = {(found["in"], found["name"]): found for found in after.get("parameters", ())}
    for parameter in before.get("parameters", ()):
        found = there.get((parameter["in"], parameter["name"]))
        where = f"{path}?{parameter['name']}"
        if found is None:
            yield f"{where}: removed"
        elif found["required"] and not parameter["required"]:
            yield f"{where}: required"
        elif not old.kinds(parameter["schema"]) - {"null"} <= new.kinds(found["schema"]):
            yield f"{where}: type"


def lost_content(
    where: str, old: Document, before: Schema, new: Document, after: Schema
) -> Iterator[str]:
    for part in ("headers", "links"):
        if not before.get(part, {}).keys() <= after.get(part, {}).keys():
            yield f"{where}: {part}"
    for media_type, content in before.get("content", {}).items():
        if media_type not in after.get("content", {}):
            yield f"{where}: {media_type} removed"
        elif "schema" in content:
            schema = after["content"][media_type]["schema"]
            # Whoever sends no new value of a parameter gets one of the answers.
            answers = schema.get("anyOf", [schema])
            found = [list(lost_fields(where, old, content["schema"], new, a)) for a in answers]
            yield from min(found, key=len)


def lost_fields(
    where: str, old: Document, before: Schema, new: Document, after: Schema
) -> Iterator[str]:
    was, now = old.resolved(before), new.resolved(after)
    if not new.kinds(now) <= old.kinds(was):
        yield f"{where}: type"
        return
    yield from (f"{where}: {key}" for key in KEPT if key in was and was[key] != now.get(key))
    for name, schema in was.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{where}.{name}: removed"
            continue
        if name in was.get("required", ()) and name not in now.get("required", ()):
            yield f"{where}.{name}: no longer always there"
        yield from lost_fields(f"{where}.{name}", old, schema, new, now["properties"][name])
    if "items" in was:
        yield from lost_fields(f"{where}[]", old, was["items"], new, now["items"])
    for one in was.get("anyOf", ()):
        if "$ref" in one:
            same = [each for each in now.get("anyOf", ()) if "$ref" in each]
            yield from lost_fields(where, old, one, new, same[0])


def frozen() -> Schema:
    content: Schema = json.loads(FROZEN.read_text("utf-8"))
    return content


def test_nothing_is_lost() -> None:
    assert list(losses(Document(frozen()), Document(openapi_document()))) == []


def field(document: Schema, model: str) -> Schema:
    fields: Schema = document["components"]["schemas"][model]["properties"]
    return fields


BREAKING: list[tuple[str, Callable[[Schema], object]]] = [
    ("/readyz: removed", lambda d: d["paths"].pop("/readyz")),
    ("time_spent_seconds: removed", lambda d: field(d, "Sums").pop("time_spent_seconds")),
    ("current: type", lambda d: field(d, "StreakOnDay")["current"].update(type="string")),
    (
        "average_grade: type",
        lambda d: field(d, "TopicLevel")["average_grade"]["anyOf"].append({"type": "string"}),
    ),
    ("status: type", lambda d: field(d, "Badge")["status"]["enum"].append("lost")),
    (
        "no longer always there",
        lambda d: d["components"]["schemas"]["NextLevel"]["required"].remove("level"),
    ),
    (
        "?days: removed",
        lambda d: d["paths"]["/api/progress/history"]["get"]["parameters"].pop(0),
    ),
    ("304 removed", lambda d: d["paths"]["/api/progress"]["get"]["responses"].pop("304")),
]


@pytest.mark.parametrize(("reason", "change"), BREAKING, ids=[reason for reason, _ in BREAKING])
def test_a_loss_is_found(reason: str, change: Callable[[Schema], object]) -> None:
    document = copy.deepcopy(openapi_document())
    change(document)
    found = list(losses(Document(frozen()), Document(document)))
    assert any(reason in loss for loss in found), found
