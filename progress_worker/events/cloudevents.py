"""The CloudEvents 1.0 binding for Kafka: binary, structured and bare records in, binary out."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import from_json, to_json

from progress_worker.errors import PoisonError, Reason

#: A record's headers as the consumer hands them over.
Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

SPEC_VERSION: Final = "1.0"
JSON: Final = "application/json"
STRUCTURED_JSON: Final = "application/cloudevents+json"

_REQUIRED: Final = ("specversion", "id", "source", "type")
_ANY_CLOUDEVENT: Final = "application/cloudevents"
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
).fullmatch


class Envelope(NamedTuple):
    """What surrounds an event's data.

    `id` and `type` are None for a bare record. `traceparent` is None when there is none or when it
    is not well-formed, as W3C Trace Context asks. `data` is JSON text, possibly empty.
    """

    id: str | None
    traceparent: str | None
    data: bytes
    type: str | None = None


def read_envelope(headers: Headers, value: bytes, types: AbstractSet[str]) -> Envelope:
    """Take a record's envelope off; unknown attributes and other headers are ignored.

    Raises PoisonError: INVALID_ENVELOPE when the envelope breaks CloudEvents 1.0 or is not JSON,
    UNKNOWN_TYPE for a type that is not among `types`, INVALID_JSON for a structured record
    that is not JSON. The data itself is not looked at.
    """
    if not headers:
        return Envelope(None, None, value)
    found = dict(headers)
    if "ce_specversion" not in found:
        found = {name.lower(): content for name, content in headers}
    if len(found) != len(headers):
        _refuse_repeated(headers)
    if _is_structured(found.get("content-type")):
        return _read_structured(found, value, types)
    if "ce_specversion" in found or any(name.startswith("ce_") for name in found):
        return _read_binary(found, value, types)
    return Envelope(None, _traceparent(found.get("traceparent")), value)


def binary_headers(
    event_id: str, source: str, event_type: str, time: str, traceparent: str | None
) -> list[tuple[str, bytes]]:
    """The headers of an outgoing event in binary mode; `time` is as `utc_text` writes it."""
    headers = [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event_type.encode()),
        ("ce_time", time.encode()),
        ("content-type", JSON.encode()),
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    return headers


def utc_text(time: dt.datetime) -> str:
    """An instant as RFC 3339 in UTC, as pydantic writes it; `time` is aware."""
    return time.astimezone(dt.UTC).isoformat()[:-6] + "Z"


def _read_binary(found: dict[str, bytes | None], value: bytes, types: AbstractSet[str]) -> Envelope:
    version, identity = found.get("ce_specversion"), found.get("ce_id")
    source, event_type = found.get("ce_source"), found.get("ce_type")
    if not (version and identity and source and event_type):
        raise _invalid("one of ce_specversion, ce_id, ce_source, ce_type is missing or empty")
    try:
        ce_type = event_type.decode()
        _require(version.decode(), ce_type, types)
        source.decode()
        ce_id = identity.decode()
    except UnicodeDecodeError:
        raise _invalid("a ce_ header is not UTF-8") from None
    traceparent = found.get("traceparent") or found.get("ce_traceparent")
    return Envelope(ce_id, _traceparent(traceparent), value, ce_type)


def _read_structured(
    found: dict[str, bytes | None], value: bytes, types: AbstractSet[str]
) -> Envelope:
    try:
        event = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise PoisonError(Reason.INVALID_JSON, f"Invalid JSON: {error}") from None
    if not isinstance(event, dict):
        raise _invalid("the structured event is not an object")
    for name in _REQUIRED:
        if not (isinstance(event.get(name), str) and event[name]):
            raise _invalid(f"{name} is missing, empty or not a string")
    _require(event["specversion"], event["type"], types)
    inner = event.get("traceparent")
    traceparent = found.get("traceparent") or (inner.encode() if isinstance(inner, str) else None)
    data = _structured_data(event)
    return Envelope(event["id"], _traceparent(traceparent), data, event["type"])


def _structured_data(event: dict[str, Any]) -> bytes:
    """The data as JSON text; an attribute that is null is absent."""
    media_type = event.get("datacontenttype")
    if media_type is not None and not (isinstance(media_type, str) and _is_json(media_type)):
        raise _invalid("datacontenttype is not a JSON type")
    data, encoded = event.get("data"), event.get("data_base64")
    if encoded is None:
        # An infinity here is a number too large for a double: it must not turn into null.
        return b"" if data is None else to_json(data, inf_nan_mode="constants")
    if data is not None:
        raise _invalid("both data and data_base64 are given")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _invalid("data_base64 is not base64") from None


def _is_structured(content_type: bytes | None) -> bool:
    """Whether the value is a whole event; raises PoisonError for what is not JSON at all."""
    if content_type is None or content_type == b"application/json":
        return False
    try:
        media_type = content_type.decode()
    except UnicodeDecodeError:
        raise _invalid("content-type is not UTF-8") from None
    essence = _essence(media_type)
    if essence == STRUCTURED_JSON:
        return True
    if essence.startswith(_ANY_CLOUDEVENT) or not _is_json(media_type):
        raise _invalid(f"content-type is neither {JSON} nor {STRUCTURED_JSON}")
    return False


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    essence = _essence(media_type)
    return essence in (JSON, "text/json") or essence.endswith("+json")


def _require(specversion: str, event_type: str, types: AbstractSet[str]) -> None:
    if specversion != SPEC_VERSION:
        raise _invalid(f"specversion is not {SPEC_VERSION}")
    if event_type not in types:
        known = " or ".join(sorted(types))
        raise PoisonError(Reason.UNKNOWN_TYPE, f"the event's type is not {known}")


def _refuse_repeated(headers: Headers) -> None:
    """Two values for one attribute would mean different events to different readers."""
    names = [name for name, _ in headers if name.startswith("ce_") or name == "content-type"]
    if len(names) != len(set(names)):
        raise _invalid("a ce_ or content-type header is given twice")


def _traceparent(content: bytes | None) -> str | None:
    return content.decode() if content and _TRACEPARENT(content) else None


def _invalid(message: str) -> PoisonError:
    return PoisonError(Reason.INVALID_ENVELOPE, message)
