"""Broken records, and the reason with which each is dead-lettered."""

from __future__ import annotations

import json
from collections.abc import Callable

from progress_worker.errors import Reason
from progress_worker.generator.wire import Wire

#: Larger than the largest value that is accepted by default.
_PADDING = b'"note":"' + b"x" * 65_536 + b'",'

Spoil = Callable[[Wire], Wire]


def _value(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda wire: wire._replace(value=change(wire.value or b""))


def _field(name: str, content: object) -> Spoil:
    return _value(lambda value: json.dumps(json.loads(value) | {name: content}).encode())


def _without_field(name: str) -> Spoil:
    def remove(value: bytes) -> bytes:
        data = json.loads(value)
        del data[name]
        return json.dumps(data).encode()

    return _value(remove)


def _without_header(name: str) -> Spoil:
    return lambda wire: wire._replace(
        headers=tuple(header for header in wire.headers if header[0] != name)
    )


def _header(name: str, content: bytes) -> Spoil:
    remove = _without_header(name)
    return lambda wire: wire._replace(headers=(*remove(wire).headers, (name, content)))


#: Ways to break a good record in binary mode, one for every reason that a producer can cause.
SPOILS: tuple[tuple[Reason, Spoil], ...] = (
    (Reason.SCHEMA_VIOLATION, _field("grade", 120)),
    (Reason.INVALID_JSON, _value(lambda value: value[: len(value) // 2])),
    (Reason.UNKNOWN_TYPE, _header("ce_type", b"exercise.started.v1")),
    (Reason.KEY_MISMATCH, lambda wire: wire._replace(key=b"somebody-else")),
    (Reason.UNKNOWN_TIMEZONE, _field("timezone", "Europe/Atlantis")),
    (Reason.TIME_OUT_OF_RANGE, _field("completed_at", "1999-12-31T23:59:59Z")),
    (Reason.EMPTY_VALUE, _value(lambda _: None)),
    (Reason.INVALID_ENVELOPE, _header("ce_specversion", b"0.3")),
    (Reason.TOO_LARGE, _value(lambda value: b"{" + _PADDING + value[1:])),
    (Reason.SCHEMA_VIOLATION, _without_field("topic")),
    (Reason.INVALID_JSON, _value(lambda value: b"\xff\xfe" + value)),
    (Reason.INVALID_ENVELOPE, _without_header("ce_id")),
    (Reason.SCHEMA_VIOLATION, _field("exercise_id", "nul\0")),
    (Reason.SCHEMA_VIOLATION, _field("hints_used", "three")),
    (Reason.EMPTY_VALUE, _value(lambda _: b"")),
    (Reason.SCHEMA_VIOLATION, _field("completed_at", "2026-11-23T12:00:00")),
)
