"""A fuzzer's bytes as records: a byte for the envelope, then what it leaves open."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from progress_worker.embedded.wire import Wire
from tests.harness.events import ENVELOPE
from tests.harness.poison import STRUCTURED

_CE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_LONGEST = 255


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
    """The record that some bytes stand for; any do."""
    first, rest = data[:1] or b"\0", data[1:]
    mode = Mode(first[0] % len(Mode))
    key: bytes | None = None
    if first[0] >= 128:
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
    """What a byte says the length of, and the rest."""
    length = data[0] if data else 0
    return data[1 : 1 + length], data[1 + length :]
