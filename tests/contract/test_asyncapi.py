"""asyncapi.yaml: AsyncAPI 3.0 as far as it can be checked without the network."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from progress_worker.errors import PoisonError
from progress_worker.events.cloudevents import read_envelope
from progress_worker.events.commands import (
    DAYS_EXCUSED,
    ERASURE_REQUESTED,
    PREFERENCES_SET,
    RECALCULATION_REQUESTED,
)
from progress_worker.events.models import (
    ACHIEVEMENT_REVOKED,
    ACHIEVEMENT_UNLOCKED,
    ACHIEVEMENTS_BACKFILLED,
    EXERCISE_COMPLETED,
    LEARNER_ERASED,
    SKILL_LEVEL_CHANGED,
    STREAK_AT_RISK,
    ExerciseCompleted,
)
from progress_worker.ingest.decode import Decoder
from progress_worker.settings.worker import Settings

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[1] / "schemas"
DOCUMENT: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8"))

MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]

#: The fields that AsyncAPI 3.0 knows, per object; any other must begin with `x-`.
ROOT = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations"}
CHANNEL = {"address", "messages", "title", "summary", "description", "servers", "parameters"}
OPERATION = {"action", "channel", "title", "summary", "description", "security", "messages"}
MESSAGE = {"headers", "payload", "correlationId", "contentType", "name", "title", "summary"}
COMMON = {"tags", "externalDocs", "bindings", "traits", "reply", "description", "examples"}


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolve(reference: str) -> Any:
    path, _, pointer = reference.partition("#")
    node: Any = json.loads((SCHEMAS / path).read_text("utf-8")) if path else DOCUMENT
    for part in filter(None, pointer.split("/")):
        node = node[part]
    return node


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 20
    for reference in found:
        assert resolve(reference), reference


def test_the_required_keys_are_there_and_no_unknown_ones() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert DOCUMENT.keys() <= ROOT | {"components"}
    for channel in DOCUMENT["channels"].values():
        assert channel.keys() <= CHANNEL | COMMON
        assert channel["address"] == channel["bindings"]["kafka"]["topic"]
        assert channel["messages"]
    for operation in DOCUMENT["operations"].values():
        assert operation.keys() <= OPERATION | COMMON
        assert operation["action"] in ("send", "receive")
        assert set(operation["channel"]) == {"$ref"}
    for message in DOCUMENT["components"]["messages"].values():
        assert message.keys() <= MESSAGE | COMMON
        assert "key" in message["bindings"]["kafka"]


def test_every_channel_is_used_in_one_direction() -> None:
    used: dict[str, set[str]] = {}
    for operation in DOCUMENT["operations"].values():
        used.setdefault(operation["channel"]["$ref"], set()).add(operation["action"])
    assert used.keys() == {f"#/channels/{name}" for name in DOCUMENT["channels"]}
    assert all(len(directions) == 1 for directions in used.values())


def test_the_topics_are_the_settings_defaults() -> None:
    fields = Settings.model_fields
    topics = {name: fields[name].default for name in fields if name.endswith("_topic")}
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == set(topics.values())


def test_the_key_is_the_models_user_id() -> None:
    key = DOCUMENT["components"]["schemas"]["userId"]
    user_id = ExerciseCompleted.model_json_schema()["properties"]["user_id"]
    for keyword in ("type", "minLength", "maxLength"):
        assert key[keyword] == user_id[keyword]


def test_every_message_is_one_of_ours() -> None:
    types = {
        message["headers"]["properties"]["ce_type"]["const"]
        for message in DOCUMENT["components"]["messages"].values()
        if "ce_type" in message.get("headers", {}).get("properties", {})
    }
    assert types == {
        EXERCISE_COMPLETED,
        ACHIEVEMENT_UNLOCKED,
        SKILL_LEVEL_CHANGED,
        STREAK_AT_RISK,
        ACHIEVEMENT_REVOKED,
        ACHIEVEMENTS_BACKFILLED,
        ERASURE_REQUESTED,
        LEARNER_ERASED,
        RECALCULATION_REQUESTED,
        DAYS_EXCUSED,
        PREFERENCES_SET,
    }


@pytest.mark.parametrize("name", ["exerciseCompleted", "recalculationRequested"])
def test_the_required_headers_are_those_that_the_reader_asks_for(name: str) -> None:
    headers = DOCUMENT["components"]["messages"][name]["headers"]
    event_type = headers["properties"]["ce_type"]["const"]
    record = dict.fromkeys(headers["required"], b"x")
    record |= {"ce_type": event_type.encode(), "ce_specversion": b"1.0"}
    assert read_envelope(list(record.items()), b"{}", {event_type}).id == "x"
    for header in headers["required"]:
        rest = [(other, value) for other, value in record.items() if other != header]
        with pytest.raises(PoisonError):
            read_envelope(rest, b"{}", {event_type})


def test_the_dead_letter_headers_are_the_contracts() -> None:
    headers = DOCUMENT["components"]["messages"]["deadLetter"]["headers"]
    suffixes = (
        "original-topic original-partition original-offset original-timestamp consumer-group "
        "reason message failed-at attempts worker-version"
    )
    assert set(headers["required"]) == {f"dlq.{suffix}" for suffix in suffixes.split()}


def payload_validator(message: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resources(
        (f"./{path.name}", Resource.from_contents(json.loads(path.read_text("utf-8"))))
        for path in SCHEMAS.glob("*.v1.json")
    )
    payload = DOCUMENT["components"]["messages"][message]["payload"]
    assert payload["schemaFormat"] == "application/schema+json;version=draft-2020-12"
    return Draft202012Validator(payload["schema"], registry=registry)


@pytest.mark.parametrize(
    ("message", "record"),
    [
        ("exerciseCompleted", "binary"),
        ("exerciseCompleted", "identified-by-the-envelope"),
        ("exerciseCompletedStructured", "structured"),
        ("exerciseCompletedBare", "bare"),
        ("recalculationRequested", "recalculation"),
    ],
)
def test_payloads_accept_what_producers_send(message: str, record: str) -> None:
    value = json.loads((HERE / "producers" / f"{record}.json").read_text("utf-8"))["value"]
    payload_validator(message).validate(value)
    assert not payload_validator(message).is_valid({})


@pytest.mark.parametrize("message", [name for name in MESSAGES if name != "deadLetter"])
def test_the_example_is_a_complete_record(message: str) -> None:
    (example,) = MESSAGES[message]["examples"]
    payload_validator(message).validate(example["payload"])
    if "headers" in MESSAGES[message]:
        schema = MESSAGES[message]["headers"] | {"components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(example["headers"])


@pytest.mark.parametrize("message", [name for name in MESSAGES if "exerciseCompleted" in name])
def test_the_worker_applies_the_example(message: str) -> None:
    (example,) = MESSAGES[message]["examples"]
    (key,) = DOCUMENT["components"]["schemas"]["userId"]["examples"]
    value = json.dumps(example["payload"]).encode()
    headers = [(name, text.encode()) for name, text in example.get("headers", {}).items()]
    decoder = Decoder(max_value_bytes=65_536, max_future_seconds=300)
    completion = decoder.decode(key.encode(), value, headers, dt.datetime.now(dt.UTC)).completion
    assert completion.user_id == key
    assert completion.topic == "algorithms"


def test_a_bare_value_needs_its_event_id() -> None:
    path = HERE / "producers" / "identified-by-the-envelope.json"
    value = json.loads(path.read_text("utf-8"))["value"]
    assert not payload_validator("exerciseCompletedBare").is_valid(value)
