"""Records as producers send them today; they must be readable for as long as there is a v1."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from progress_worker.events.cloudevents import Headers, read_envelope
from progress_worker.events.commands import RECALCULATION_REQUESTED, RecalculationRequested
from progress_worker.ingest.decode import Decoder

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[1] / "schemas"
RECORDS = sorted((HERE / "producers").glob("*.json"))
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
DECODER = Decoder(max_value_bytes=65_536, max_future_seconds=300)


def load(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def wire(record: dict[str, Any]) -> tuple[bytes | None, bytes, Headers]:
    key = None if record["key"] is None else record["key"].encode()
    headers = [(name, text.encode()) for name, text in record["headers"].items()]
    return key, json.dumps(record["value"], ensure_ascii=False).encode(), headers


def data_of(record: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = record["value"]
    data: dict[str, Any] = value.get("data", value)
    return data


def test_the_corpus_is_there() -> None:
    assert len(RECORDS) >= 13


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_schema_still_accepts_it(path: Path) -> None:
    record = load(path)
    schema = json.loads((SCHEMAS / record["schema"]).read_text("utf-8"))
    Draft202012Validator(schema).validate(data_of(record))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_it_is_still_read_as_it_was_meant(path: Path) -> None:
    record = load(path)
    key, value, headers = wire(record)
    data = data_of(record)
    if record["schema"].startswith("recalculation"):
        envelope = read_envelope(headers, value, {RECALCULATION_REQUESTED})
        command = RecalculationRequested.model_validate_json(envelope.data)
        assert (command.user_id, command.topic) == (data["user_id"], data.get("topic"))
        return
    found = DECODER.decode(key, value, headers, NOW).completion
    identity = data.get("event_id", record["headers"].get("ce_id"))
    assert str(found.event_id) == identity.lower()
    assert found.revision == data.get("revision", 0)
    assert found.revoked == data.get("revoked", False)
    assert found.timezone == data.get("timezone")
    assert found.completed_at == dt.datetime.fromisoformat(data["completed_at"].upper())
    grade = data["grade"]
    assert found.grade_hundredths == (None if grade is None else round(grade * 100))
    for field in ("user_id", "exercise_id", "topic", "difficulty"):
        assert getattr(found, field) == data[field]
    for field in ("time_spent_seconds", "hints_used"):
        assert getattr(found, field) == data[field]
