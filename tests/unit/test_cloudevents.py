"""The CloudEvents binding: three ways in, one way out, and everything that is no envelope."""

from __future__ import annotations

import base64
import datetime as dt
import json

import pytest

from progress_worker.errors import PoisonError, Reason
from progress_worker.events.cloudevents import (
    Envelope,
    Headers,
    binary_headers,
    read_envelope,
    utc_text,
)

TYPE = "exercise.completed.v1"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BINARY: dict[str, bytes | None] = {
    "ce_specversion": b"1.0",
    "ce_id": b"e-1",
    "ce_source": b"/exercise-platform",
    "ce_type": TYPE.encode(),
    "ce_time": b"2026-11-23T10:00:00Z",
    "content-type": b"application/json",
}
STRUCTURED: dict[str, object] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/exercise-platform",
    "type": TYPE,
    "time": "2026-11-23T10:00:00Z",
    "data": {"grade": 2.675, "name": "Zoë"},
}
STRUCTURED_HEADERS: Headers = [("content-type", b"application/cloudevents+json")]
DATA = b'{"grade": 1}'


def binary(**changes: bytes | None) -> Headers:
    return list({**BINARY, **changes}.items())


def without(name: str) -> Headers:
    return [header for header in BINARY.items() if header[0] != name]


def structured(**changes: object) -> bytes:
    event = {**STRUCTURED, **changes}
    return json.dumps({name: value for name, value in event.items() if value != "gone"}).encode()


def reason_of(headers: Headers, value: bytes = DATA) -> Reason:
    with pytest.raises(PoisonError) as caught:
        read_envelope(headers, value, {TYPE})
    return caught.value.reason


@pytest.mark.parametrize("headers", [[], [("content-type", b"application/json")], [("x", None)]])
def test_a_bare_value_has_no_identity(headers: Headers) -> None:
    assert read_envelope(headers, DATA, {TYPE}) == Envelope(None, None, DATA)


def test_a_bare_value_may_be_traced() -> None:
    assert read_envelope([("traceparent", TRACE.encode())], DATA, {TYPE}).traceparent == TRACE


def test_binary_mode() -> None:
    headers = binary(traceparent=TRACE.encode(), ce_tenant=b"\xff", other=None)
    assert read_envelope(headers, DATA, {TYPE}) == Envelope("e-1", TRACE, DATA, TYPE)


@pytest.mark.parametrize("case", [str.upper, str.title])
def test_header_names_are_read_in_any_case(case: type[str]) -> None:
    headers = [(case(name), value) for name, value in BINARY.items()]
    assert read_envelope(headers, DATA, {TYPE}).id == "e-1"


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
def test_a_required_attribute_is_missing_empty_or_not_text(name: str) -> None:
    assert reason_of(without(name)) == Reason.INVALID_ENVELOPE
    for content in (None, b"", b"\xff\xfe"):
        assert reason_of(binary(**{name: content})) == Reason.INVALID_ENVELOPE


@pytest.mark.parametrize("version", [b"0.3", b"1", b"1.1", b"2.0"])
def test_another_specversion(version: bytes) -> None:
    assert reason_of(binary(ce_specversion=version)) == Reason.INVALID_ENVELOPE


def test_ce_time_alone_is_a_broken_envelope_and_not_a_bare_value() -> None:
    assert reason_of([("ce_time", b"2026-11-23T10:00:00Z")]) == Reason.INVALID_ENVELOPE


@pytest.mark.parametrize("other", [b"exercise.completed.v2", b"EXERCISE.COMPLETED.V1", b"x"])
def test_another_type(other: bytes) -> None:
    assert reason_of(binary(ce_type=other)) == Reason.UNKNOWN_TYPE
    assert reason_of(STRUCTURED_HEADERS, structured(type=other.decode())) == Reason.UNKNOWN_TYPE


@pytest.mark.parametrize(
    "content_type",
    [None, b"application/json", b"Application/JSON; charset=utf-8", b"text/json", b"a/b+json"],
)
def test_content_types_of_binary_mode(content_type: bytes | None) -> None:
    headers = binary(**{"content-type": content_type})
    assert read_envelope(headers, DATA, {TYPE}).data == DATA


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"text/plain",
        b"application/avro",
        b"\xff",
        b"application/cloudevents",
        b"application/cloudevents+avro",
        b"application/cloudevents-batch+json",
    ],
)
def test_content_types_that_we_do_not_read(content_type: bytes) -> None:
    assert reason_of(binary(**{"content-type": content_type})) == Reason.INVALID_ENVELOPE
    assert reason_of([("content-type", content_type)]) == Reason.INVALID_ENVELOPE


@pytest.mark.parametrize("name", ["ce_id", "content-type"])
def test_an_attribute_given_twice(name: str) -> None:
    assert reason_of([*BINARY.items(), (name, BINARY[name])]) == Reason.INVALID_ENVELOPE


def test_any_other_header_may_be_given_twice() -> None:
    assert read_envelope([*BINARY.items(), ("x", b"1"), ("x", b"2")], DATA, {TYPE}).id == "e-1"


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"APPLICATION/CloudEvents+JSON",
        b"application/cloudevents+json; charset=UTF-8",
        b" application/cloudevents+json ;x=y",
    ],
)
def test_structured_mode(content_type: bytes) -> None:
    envelope = read_envelope([("content-type", content_type)], structured(), {TYPE})
    assert envelope.id == "e-1"
    assert json.loads(envelope.data) == STRUCTURED["data"]


def test_structured_mode_wins_over_copies_of_the_attributes() -> None:
    headers = binary(**{"content-type": b"application/cloudevents+json", "ce_id": b"other"})
    assert read_envelope(headers, structured(), {TYPE}).id == "e-1"


def test_structured_data_in_base64() -> None:
    value = structured(data="gone", data_base64=base64.b64encode(DATA).decode())
    assert read_envelope(STRUCTURED_HEADERS, value, {TYPE}).data == DATA


@pytest.mark.parametrize("data", ["gone", None])
def test_structured_mode_without_data(data: object) -> None:
    assert read_envelope(STRUCTURED_HEADERS, structured(data=data), {TYPE}).data == b""


def test_a_number_too_large_for_a_double_does_not_turn_into_null() -> None:
    value = structured().replace(b"2.675", b"1e999")
    assert b"null" not in read_envelope(STRUCTURED_HEADERS, value, {TYPE}).data


@pytest.mark.parametrize("type_", ["application/json", "Application/JSON; x=y", "a/b+json", None])
def test_datacontenttype(type_: object) -> None:
    value = structured(datacontenttype=type_)
    assert read_envelope(STRUCTURED_HEADERS, value, {TYPE}).id == "e-1"


def test_a_structured_event_may_be_traced() -> None:
    value = structured(traceparent=TRACE)
    assert read_envelope(STRUCTURED_HEADERS, value, {TYPE}).traceparent == TRACE
    assert read_envelope(STRUCTURED_HEADERS, structured(traceparent=5), {TYPE}).traceparent is None


@pytest.mark.parametrize(
    "changes",
    [
        *({name: bad} for name in ("specversion", "id", "source", "type") for bad in ("gone", "")),
        {"id": 5},
        {"source": None},
        {"type": []},
        {"specversion": "0.3"},
        {"specversion": 1.0},
        {"datacontenttype": "text/xml"},
        {"datacontenttype": 5},
        {"data_base64": "e30="},
        {"data": "gone", "data_base64": "e30"},
        {"data": "gone", "data_base64": "e 30="},
        {"data": "gone", "data_base64": "é"},
        {"data": "gone", "data_base64": 5},
    ],
)
def test_broken_structured_envelopes(changes: dict[str, object]) -> None:
    assert reason_of(STRUCTURED_HEADERS, structured(**changes)) == Reason.INVALID_ENVELOPE


@pytest.mark.parametrize("value", [b"[]", b"null", b"5", b'"x"'])
def test_a_structured_event_that_is_no_object(value: bytes) -> None:
    assert reason_of(STRUCTURED_HEADERS, value) == Reason.INVALID_ENVELOPE


@pytest.mark.parametrize("value", [b"{", b"\xff", b"", b'{"a": NaN}', b'{"a": "\\ud800"}'])
def test_a_structured_event_that_is_no_json(value: bytes) -> None:
    assert reason_of(STRUCTURED_HEADERS, value) == Reason.INVALID_JSON


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\xff",
        b"garbage",
        TRACE.upper().encode(),
        b"ff" + TRACE[2:].encode(),
        TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32).encode(),
        TRACE.replace("00f067aa0ba902b7", "0" * 16).encode(),
        TRACE.encode() + b"\n",
    ],
)
def test_a_malformed_traceparent_is_ignored(content: bytes | None) -> None:
    assert read_envelope(binary(traceparent=content), DATA, {TYPE}).traceparent is None


@pytest.mark.parametrize("trace", [None, TRACE])
def test_what_we_write_is_what_we_read(trace: str | None) -> None:
    event_id = "0f8fad5b-d9cb-469f-a165-70867728950e"
    time = utc_text(dt.datetime.fromisoformat("2026-11-23T11:00:00.5+01:00"))
    written = binary_headers(event_id, "/progress-worker", TYPE, time, trace)
    headers = [(name, content) for name, content in written]
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": event_id.encode(),
        "ce_source": b"/progress-worker",
        "ce_type": TYPE.encode(),
        "ce_time": b"2026-11-23T10:00:00.500000Z",
        "content-type": b"application/json",
    } | ({} if trace is None else {"traceparent": trace.encode()})
    assert read_envelope(headers, DATA, {TYPE}) == Envelope(event_id, trace, DATA, TYPE)


def test_the_message_repeats_nothing_of_the_record() -> None:
    for headers, value in [
        (binary(ce_type=b"sesame"), DATA),
        (binary(ce_specversion=b"sesame"), DATA),
        (binary(**{"content-type": b"sesame"}), DATA),
        (STRUCTURED_HEADERS, structured(type="sesame")),
        (STRUCTURED_HEADERS, b'{"sesame'),
    ]:
        with pytest.raises(PoisonError) as caught:
            read_envelope(headers, value, {TYPE})
        assert "sesame" not in str(caught.value)
