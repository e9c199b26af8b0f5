"""What the decoder promises of any record, checked on one."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

from pydantic import ValidationError

from progress_worker.domain.completion import Completion
from progress_worker.errors import PoisonError
from progress_worker.events.models import ExerciseCompleted
from progress_worker.generator.wire import Wire
from progress_worker.ingest.decode import Decoded, Decoder
from tests.fuzz.inputs import MODES, Mode, unpacked
from tests.fuzz.plain import RefusedError, depth, read, read_structured

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
FUTURE = 300.0
LARGEST = 65_536
DECODER = Decoder(max_value_bytes=LARGEST, max_future_seconds=FUTURE)
#: Parsers differ in how deep they follow; what is deeper is only decoded.
DEEPEST = 100


def check(data: bytes) -> None:
    """Decode one input; raises AssertionError, or whatever the decoder should not raise."""
    mode, wire = unpacked(data)
    decoded: Decoded | None = None
    with suppress(PoisonError):
        decoded = DECODER.decode(*wire, NOW)
    if decoded is not None:
        _check_texts(decoded)
    value = wire.value or b""
    if mode is not Mode.ANY_HEADERS and depth(value) <= DEEPEST and len(value) <= LARGEST:
        expected = _expected(mode, wire)
        found = decoded and decoded.completion
        assert found == expected, f"{wire}\n decoded: {found}\n expected: {expected}"
        if mode is not Mode.STRUCTURED and found is not None:
            _check_model(value, found)


def _check_texts(decoded: Decoded) -> None:
    for text in (*decoded.completion, decoded.traceparent):
        if isinstance(text, str):
            assert "\0" not in text
            text.encode()  # raises for a surrogate


def _expected(mode: Mode, wire: Wire) -> Completion | None:
    value, ce_id = wire.value or b"", MODES[mode].ce_id
    try:
        if mode is Mode.STRUCTURED:
            found = read_structured(value, NOW, max_future_seconds=FUTURE)
        else:
            found = read(value, NOW, ce_id=ce_id, max_future_seconds=FUTURE)
    except RefusedError:
        return None
    return found if wire.key is None or wire.key == found.user_id.encode() else None


def _check_model(value: bytes, found: Completion) -> None:
    """The published model reads the same; it alone refuses nothing that was accepted."""
    try:
        event = ExerciseCompleted.model_validate_json(value)
    except ValidationError as error:
        raise AssertionError(f"the model refuses {value!r}") from error
    for name in ("user_id", "exercise_id", "topic", "difficulty", "revision", "revoked"):
        assert getattr(event, name) == getattr(found, name)
    assert event.completed_at == found.completed_at
