"""A schema may grow, but yesterday's producers and subscribers must still fit it.

`frozen/` holds the schemas as they were when the contract was last published. Copy a schema there
only together with a new major version, or when it has grown in a way that this test allows.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FROZEN = HERE / "frozen"
COMMITTED = HERE.parents[1] / "schemas"
INCOMING = (
    "exercise-completed.v1.json",
    "recalculation-requested.v1.json",
    "learner-preferences-set.v1.json",
)
OUTGOING = (
    "achievement-unlocked.v1.json",
    "skill-level-changed.v1.json",
    "streak-at-risk.v1.json",
)

Schema = dict[str, Any]

#: Keywords that say nothing about which values are valid.
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "examples", "default"}
LOWER = ("minimum", "minLength")
UPPER = ("maximum", "maxLength")
COMPARED = {"type", "enum", "properties", "required", "anyOf", *LOWER, *UPPER}


def load(directory: Path, name: str) -> Schema:
    schema: Schema = json.loads((directory / name).read_text("utf-8"))
    return schema


def narrowings(old: Schema, new: Schema) -> list[str]:
    """Why a value that `old` accepts may be refused by `new`; empty when none can be."""
    return list(_narrowings(_Side(old), _Side(new), "$"))


def removals(old: Schema, new: Schema) -> list[str]:
    """Properties that `old` declares and `new` no longer does."""
    return [f"$.{name}: removed" for name in old["properties"] if name not in new["properties"]]


class _Side:
    """A schema inside its document, with references resolved."""

    def __init__(self, schema: Schema, document: Schema | None = None) -> None:
        self.document = schema if document is None else document
        reference = schema.get("$ref")
        if reference:
            schema = self.document["$defs"][reference.removeprefix("#/$defs/")]
        self.rules = {k: v for k, v in schema.items() if k not in ANNOTATIONS}

    def inner(self, schema: Schema) -> _Side:
        return _Side(schema, self.document)

    def branches(self) -> list[_Side]:
        if "anyOf" not in self.rules:
            return [self]
        return [self.inner(branch) for branch in self.rules["anyOf"]]


def _narrowings(old: _Side, new: _Side, where: str) -> Iterator[str]:
    if "anyOf" in old.rules or "anyOf" in new.rules:
        for branch in old.branches():
            if all(list(_narrowings(branch, other, where)) for other in new.branches()):
                yield f"{where}: no longer {branch.rules}"
        return
    yield from _values(old.rules, new.rules, where)
    yield from _bounds(old.rules, new.rules, where)
    yield from _properties(old, new, where)
    for keyword in sorted((old.rules.keys() | new.rules.keys()) - COMPARED):
        if keyword in new.rules and old.rules.get(keyword) != new.rules[keyword]:
            yield f"{where}: {keyword} is new or other"


def _values(old: Schema, new: Schema, where: str) -> Iterator[str]:
    if "type" in new and not _types(old) <= _types(new):
        yield f"{where}: type"
    if "enum" in new and not set(old.get("enum", [object()])) <= set(new["enum"]):
        yield f"{where}: enum"


def _types(rules: Schema) -> set[str]:
    declared = rules.get("type", "anything")
    types = {declared} if isinstance(declared, str) else set(declared)
    return types | {"integer"} if "number" in types else types


def _bounds(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for keyword in LOWER:
        if new.get(keyword, float("-inf")) > old.get(keyword, float("-inf")):
            yield f"{where}: {keyword}"
    for keyword in UPPER:
        if new.get(keyword, float("inf")) < old.get(keyword, float("inf")):
            yield f"{where}: {keyword}"


def _properties(old: _Side, new: _Side, where: str) -> Iterator[str]:
    for name in set(new.rules.get("required", [])) - set(old.rules.get("required", [])):
        yield f"{where}.{name}: required"
    declared = old.rules.get("properties", {})
    for name, schema in new.rules.get("properties", {}).items():
        if name in declared:
            yield from _narrowings(old.inner(declared[name]), new.inner(schema), f"{where}.{name}")


def test_every_frozen_schema_is_still_published() -> None:
    frozen = {path.name for path in FROZEN.glob("*.json")}
    assert frozen == {*INCOMING, *OUTGOING}
    assert frozen <= {path.name for path in COMMITTED.iterdir()}


@pytest.mark.parametrize("name", INCOMING)
def test_yesterdays_producers_are_understood(name: str) -> None:
    old, new = load(FROZEN, name), load(COMMITTED, name)
    assert narrowings(old, new) + removals(old, new) == []


@pytest.mark.parametrize("name", OUTGOING)
def test_yesterdays_subscribers_understand_us(name: str) -> None:
    """The other way round: whatever we send today, the old schema accepts."""
    old, new = load(FROZEN, name), load(COMMITTED, name)
    assert narrowings(new, old) + removals(old, new) == []


@pytest.mark.parametrize("name", [*INCOMING, *OUTGOING])
def test_the_identity_of_a_schema_does_not_change(name: str) -> None:
    assert load(FROZEN, name)["$id"] == load(COMMITTED, name)["$id"]


def breaking(change: Callable[[Schema], object]) -> list[str]:
    old = load(FROZEN, "exercise-completed.v1.json")
    new = copy.deepcopy(old)
    change(new["properties"])
    return narrowings(old, new) + removals(old, new)


BREAKING: list[tuple[str, Callable[[Schema], object]]] = [
    ("minimum", lambda fields: fields["hints_used"].update(minimum=1)),
    ("maximum", lambda fields: fields["hints_used"].update(maximum=999)),
    ("maxLength", lambda fields: fields["topic"].update(maxLength=127)),
    ("minLength", lambda fields: fields["topic"].update(minLength=2)),
    ("type", lambda fields: fields["topic"].update(type="integer")),
    ("type", lambda fields: fields["topic"].update(type=["integer", "null"])),
    ("enum", lambda fields: fields["difficulty"].update(enum=["easy", "hard"])),
    ("enum", lambda fields: fields["topic"].update(enum=["algorithms"])),
    ("pattern", lambda fields: fields["topic"].update(pattern="^[a-z]+$")),
    ("format", lambda fields: fields["topic"].update(format="uri")),
    ("multipleOf", lambda fields: fields["hints_used"].update(multipleOf=2)),
    ("removed", lambda fields: fields.pop("revoked")),
    ("no longer", lambda fields: fields["grade"]["anyOf"].pop()),
    ("no longer", lambda fields: fields["grade"]["anyOf"][0].update(maximum=10)),
    ("no longer", lambda fields: fields["grade"]["anyOf"][0].update(type="integer")),
    ("no longer", lambda fields: fields.update(grade={"type": "number"})),
]


@pytest.mark.parametrize(("word", "change"), BREAKING)
def test_the_check_sees_a_break(word: str, change: Callable[[Schema], object]) -> None:
    found = breaking(change)
    assert len(found) == 1
    assert word in found[0]


def test_the_check_sees_a_new_required_field() -> None:
    old = load(FROZEN, "exercise-completed.v1.json")
    new = {**old, "required": [*old["required"], "event_id"]}
    assert narrowings(old, new) == ["$.event_id: required"]


def test_the_check_sees_that_unknown_fields_are_refused() -> None:
    old = load(FROZEN, "exercise-completed.v1.json")
    assert narrowings(old, {**old, "additionalProperties": False})


def test_the_check_looks_behind_references() -> None:
    old = load(FROZEN, "achievement-unlocked.v1.json")
    new = copy.deepcopy(old)
    new["$defs"]["Criteria"]["properties"]["value"]["minimum"] = 0
    assert narrowings(old, new) == ["$.criteria.value: minimum"]


GROWING: list[Callable[[Schema], object]] = [
    lambda fields: fields.update(attempt={"type": "integer"}),
    lambda fields: fields["hints_used"].update(maximum=2_000, description="More."),
    lambda fields: fields["hints_used"].update(type="number"),
    lambda fields: fields["hints_used"].pop("minimum"),
    lambda fields: fields["topic"].update(maxLength=200),
    lambda fields: fields["topic"].pop("pattern"),
    lambda fields: fields["difficulty"]["enum"].append("extreme"),
    lambda fields: fields["grade"]["anyOf"].append({"type": "string"}),
    lambda fields: fields.update(topic={"anyOf": [fields["topic"], {"type": "null"}]}),
]


@pytest.mark.parametrize("change", GROWING)
def test_a_schema_may_grow(change: Callable[[Schema], object]) -> None:
    assert breaking(change) == []


def test_a_field_may_become_optional() -> None:
    old = load(FROZEN, "exercise-completed.v1.json")
    assert narrowings(old, {**old, "required": old["required"][1:]}) == []
