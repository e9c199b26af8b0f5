"""Whatever arrives, the decoder answers with a completion or with a reason; nothing else."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, NoReturn

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from progress_worker.errors import PoisonError, Reason
from progress_worker.events.cloudevents import Headers
from progress_worker.events.models import EARLIEST
from progress_worker.ingest.decode import Decoded, Decoder

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
DECODER = Decoder(max_value_bytes=4_096, max_future_seconds=300)
EVENT: dict[str, Any] = {
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "revision": 2,
    "revoked": False,
    "user_id": "learner-17",
    "exercise_id": "two-sum",
    "topic": "algorithms",
    "difficulty": "medium",
    "grade": 87.5,
    "time_spent_seconds": 540,
    "hints_used": 1,
    "completed_at": "2026-11-23T01:30:00+02:00",
    "timezone": "Europe/Berlin",
}
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "source": "/exercise-platform",
    "type": "exercise.completed.v1",
}
BARE: Headers = []
BINARY: Headers = [(f"ce_{name}", text.encode()) for name, text in ATTRIBUTES.items()]
STRUCTURED: Headers = [("content-type", b"application/cloudevents+json")]

#: A busy machine is not a defect of the decoder.
fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.sampled_from('aZ09-+:._ \0\n"\\{}[]é字😀\ud800\udc80'), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
timestamps = st.datetimes().flatmap(
    lambda moment: st.sampled_from(["Z", "+14:00", "-11:00", "+23:59", "-23:59", "", "+99:99"]).map(
        lambda offset: moment.isoformat() + offset
    )
)
near_values = json_values | timestamps | st.sampled_from([*EVENT.values(), "", "\0", 1e308, 2**63])
header_names = texts | st.sampled_from(
    [*(name for name, _ in BINARY), "content-type", "traceparent", "ce_time", "Content-Type"]
)
header_contents = (
    st.none()
    | st.binary()
    | st.sampled_from([content for _, content in (*BINARY, *STRUCTURED)])
    | st.sampled_from([b"application/json", b"application/cloudevents-batch+json"])
)
arbitrary_headers = st.lists(st.tuples(header_names, header_contents), max_size=8)
modes = st.sampled_from([BARE, BINARY, STRUCTURED])


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """The original with up to four places overwritten, taken out or filled in."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        content[start : start + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(content)


def outcome(key: bytes | None, value: bytes | None, headers: Headers) -> Decoded | PoisonError:
    """Any other exception fails the test."""
    try:
        decoded = DECODER.decode(key, value, headers, NOW)
    except PoisonError as error:
        return error
    check(decoded)
    return decoded


def check(decoded: Decoded) -> None:
    """Whatever was accepted fits the tables and the rules."""
    found = decoded.completion
    assert 1 <= len(found.user_id) <= 128
    assert "\0" not in found.user_id + found.exercise_id + found.topic
    assert 0 <= found.revision < 2**31
    assert found.grade_hundredths is None or 0 <= found.grade_hundredths <= 10_000
    assert 0 <= found.time_spent_seconds <= 86_400
    assert 0 <= found.hints_used <= 1_000
    assert found.completed_at.utcoffset() == dt.timedelta(0)
    assert EARLIEST <= found.completed_at <= NOW + dt.timedelta(seconds=300)
    assert abs(found.local_day - found.completed_at.date()) <= dt.timedelta(days=1)


def not_json(word: str) -> NoReturn:
    raise AssertionError(f"{word} was accepted")


def structured(data: object) -> bytes:
    return json.dumps({**ATTRIBUTES, "data": data}).encode()


@fuzz
@given(value=mutated(json.dumps(EVENT).encode()), headers=st.sampled_from([BARE, BINARY]))
def test_mutated_values(value: bytes, headers: Headers) -> None:
    if isinstance(outcome(b"learner-17", value, headers), Decoded):
        # Another parser agrees that it was JSON.
        json.loads(value, parse_constant=not_json)


@fuzz
@given(value=mutated(structured(EVENT)))
def test_mutated_structured_values(value: bytes) -> None:
    if isinstance(outcome(b"learner-17", value, STRUCTURED), Decoded):
        json.loads(value, parse_constant=not_json)


@fuzz
@given(
    changes=st.dictionaries(st.sampled_from(list(EVENT)) | texts, near_values, max_size=3),
    headers=modes,
)
def test_arbitrary_fields(changes: dict[str, Any], headers: Headers) -> None:
    event = {**EVENT, **changes}
    value = structured(event) if headers is STRUCTURED else json.dumps(event).encode()
    if isinstance(outcome(None, value, headers), Decoded):
        json.loads(value, parse_constant=not_json)


@fuzz
@given(value=json_values, headers=modes)
def test_arbitrary_json(value: object, headers: Headers) -> None:
    assert isinstance(outcome(None, json.dumps(value).encode(), headers), PoisonError)


@fuzz
@given(
    changes=st.dictionaries(
        st.sampled_from([*ATTRIBUTES, "data", "data_base64"]), near_values, max_size=3
    )
)
def test_arbitrary_structured_attributes(changes: dict[str, Any]) -> None:
    value = json.dumps({**ATTRIBUTES, "data": EVENT, **changes}).encode()
    outcome(None, value, STRUCTURED)


@fuzz
@given(headers=arbitrary_headers)
def test_arbitrary_headers(headers: Headers) -> None:
    outcome(b"learner-17", json.dumps(EVENT).encode(), headers)


@fuzz
@given(key=st.none() | st.binary(), value=st.none() | st.binary(), headers=arbitrary_headers)
def test_arbitrary_records(key: bytes | None, value: bytes | None, headers: Headers) -> None:
    outcome(key, value, headers)


@fuzz
@given(written=timestamps, timezone=st.sampled_from([None, "Pacific/Kiritimati", "Etc/GMT+12"]))
def test_any_time_in_any_offset(written: str, timezone: str | None) -> None:
    event = {**EVENT, "completed_at": written, "timezone": timezone}
    found = outcome(None, json.dumps(event).encode(), BARE)
    if isinstance(found, PoisonError):
        assert found.reason in (Reason.TIME_OUT_OF_RANGE, Reason.SCHEMA_VIOLATION)
