"""Turns a fuzzer's bytes into records: a byte for the envelope, then the rest."""

from __future__ import annotations

import json
from enum import IntEnum
from random import Random
from typing import Any, NamedTuple

from progress_worker.events.models import EXERCISE_COMPLETED
from progress_worker.generator.wire import Wire
from tests.harness.events import ENVELOPE
from tests.harness.poison import STRUCTURED

_CE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_LONGEST = 255
#: From here on the first byte announces a key.
_KEYED = 128


class Mode(IntEnum):
    """How a record is wrapped."""

    BINARY = 0
    BARE = 1
    STRUCTURED = 2
    ANY_HEADERS = 3
    IDENTIFIED = 4


class Wrapping(NamedTuple):
    """A mode's headers, and the `ce_id` among them."""

    headers: Any
    ce_id: str | None


MODES = {
    Mode.BINARY: Wrapping(ENVELOPE, "delivery-1"),
    Mode.BARE: Wrapping((), None),
    Mode.STRUCTURED: Wrapping(STRUCTURED, None),
    Mode.IDENTIFIED: Wrapping((*ENVELOPE[:1], ("ce_id", _CE_ID.encode()), *ENVELOPE[2:]), _CE_ID),
}

#: Words that random bytes would take long to find, in libFuzzer's form.
DICTIONARY = "".join(
    '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n'
    for word in (
        *('"event_id": ', '"revision": ', '"revoked": ', '"user_id": ', '"exercise_id": '),
        *('"topic": ', '"difficulty": ', '"grade": ', '"time_spent_seconds": ', '"hints_used": '),
        *('"completed_at": ', '"timezone": ', '"data": ', '"data_base64": ', '"specversion": '),
        *('"datacontenttype": ', '"traceparent": ', "null", "true", "false", "NaN", "Infinity"),
        *("1e400", "2147483648", "86401", "1001", "100.005", "2.675", "1e-7", "0.5e1", "-0.0"),
        *(r"\u0000", r"\ud800", r"\ud83d\ude00", "\x00", "😀", '"Europe/Berlin"', '"hard"'),
        *("1999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "T23:59:60Z", "+23:59", "-00:00"),
        *(_CE_ID, f"urn:uuid:{_CE_ID}", "ce_id", "ce_type", "content-type", "ce_specversion"),
    )
)


def unpacked(data: bytes) -> tuple[Mode, Wire]:
    """The record for these bytes; any bytes have one."""
    first, rest = data[:1] or b"\0", data[1:]
    mode = Mode(first[0] % len(Mode))
    key: bytes | None = None
    if first[0] >= _KEYED:
        key, rest = _taken(rest)
    headers: Any = ()
    if mode is not Mode.ANY_HEADERS:
        headers = MODES[mode].headers
    elif rest:
        count, rest = rest[0] % 16, rest[1:]
        for _ in range(count):
            name, rest = _taken(rest)
            content, rest = _taken(rest)
            headers = (*headers, (name.decode(errors="replace"), content or None))
    return mode, Wire(key, rest, headers)


def packed(wire: Wire) -> bytes:
    """Bytes for a record, cut to what fits."""
    for mode, wrapping in MODES.items():
        if wire.headers == wrapping.headers:
            return bytes([mode]) + (wire.value or b"")
    kept = wire.headers[:15]
    texts = [part for name, content in kept for part in (name.encode(), content or b"")]
    lengthened = [bytes([min(len(text), _LONGEST)]) + text[:_LONGEST] for text in texts]
    return b"".join([bytes([Mode.ANY_HEADERS, len(kept)]), *lengthened, wire.value or b""])


def _taken(data: bytes) -> tuple[bytes, bytes]:
    """Split off as many bytes as the first byte says."""
    length = data[0] if data else 0
    return data[1 : 1 + length], data[1 + length :]


_TEXTS = ('""', '"x"', '"é"', r'"\u0000"', r'"\ud800"', r'"\ud83d\ude00"', '"' + "x" * 129 + '"')
_NUMBERS = ("0", "-0", "-0.0", "1", "0.5", "1e2", "1e400", "-1e-9", "100.001", "86401", "1001")
_OTHERS = ("null", "true", "false", "[]", "{}", "NaN", "-Infinity", "")
#: What may stand in a field, as JSON text; the first is good.
_FIELDS = {
    "event_id": (f'"{_CE_ID}"', f'"{_CE_ID.upper()}"', f'"urn:uuid:{_CE_ID}"', f'"{{{_CE_ID}}}"'),
    "revision": ("1", "2147483647", "2147483648", "2147483647.0"),
    "revoked": ("true", "false", "0"),
    "user_id": ('"learner-17"', *_TEXTS),
    "exercise_id": ('"two-sum"', '"' + "é" * 256 + '"', '"' + "é" * 257 + '"', *_TEXTS),
    "topic": ('"algorithms"', '"' + "字" * 128 + '"', *_TEXTS),
    "difficulty": ('"medium"', '"easy"', '"hard"', '"Hard"', r'"h\u0061rd"'),
    "grade": ("80", "2.675", "2.665", "1.005", "100.0", "100.00000000000001"),
    "time_spent_seconds": ("60", "86400", "8.64e4"),
    "hints_used": ("1", "1000", "1e3"),
    "completed_at": (
        '"2026-03-02T10:00:00+01:00"',
        '"2000-01-01T00:00:00Z"',
        '"1999-12-31T23:59:59.999999Z"',
        '"1999-12-31T20:00:00-04:00"',
        '"2026-11-23T12:05:00Z"',
        '"2026-11-23T12:05:00.000001Z"',
        '"2026-03-02t10:00:00.1234567z"',
        '"2016-12-31T23:59:60Z"',
        '"0001-01-01T00:00:00+23:59"',
        '"9999-12-31T23:59:59-23:59"',
        '"2025-11-02T01:30:00-04:00"',
    ),
    "timezone": ('"Europe/Berlin"', '"Pacific/Kiritimati"', '"../UTC"', '"utc"', '"UTC"'),
    "note": ("1", *_TEXTS),
}


def made(random: Random) -> bytes:
    """An input whose event is good but for a few fields, which may stand twice or be gone."""
    members = [(name, choices[0]) for name, choices in _FIELDS.items() if random.random() < 0.95]
    for _ in range(random.randrange(4)):
        name = random.choice([*_FIELDS])
        texts = (_FIELDS[name], _NUMBERS, _OTHERS, (_number(random),))
        change = (name, random.choice(random.choice(texts)))
        members = [member for member in members if member[0] != name or random.random() < 0.2]
        members.insert(random.randint(0, len(members)), change)
    value = "{" + ", ".join(f'"{name}": {text}' for name, text in members) + "}"
    mode = random.choice([mode for mode in Mode if mode is not Mode.ANY_HEADERS])
    if mode is Mode.STRUCTURED:
        envelope = {"specversion": "1.0", "id": _CE_ID, "source": "/x", "type": EXERCISE_COMPLETED}
        value = json.dumps(envelope)[:-1] + f', "data": {value}}}'
    key = random.choice((None, None, b"learner-17", b"learner-18"))
    if key is None:
        return bytes([mode]) + value.encode()
    first = next(byte for byte in range(_KEYED, 256) if byte % len(Mode) == mode)
    return bytes([first, len(key)]) + key + value.encode()


def _number(random: Random) -> str:
    """A number with a few decimals, a half at its end as often as not."""
    places = random.randrange(5)
    return f"{random.uniform(0, 101):.{places}f}" + random.choice(("", "5", "e0"))
