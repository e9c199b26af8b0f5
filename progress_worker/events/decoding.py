"""Reads the records of a topic: by the decoder of their type, or with the reason why not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Generic, TypeAlias, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from progress_worker.errors import PoisonError, Reason
from progress_worker.events.cloudevents import Envelope, Headers, read_envelope
from progress_worker.events.models import EARLIEST, IncomingEvent

Model = TypeVar("Model", bound=IncomingEvent)
Meaning = TypeVar("Meaning")

#: Turns a record's key, its envelope and the present time into what the event means.
Decode: TypeAlias = Callable[[bytes | None, Envelope, dt.datetime], Meaning]

_N, _I = b"NI"


class TopicReader(Generic[Meaning]):
    """Reads records of one topic; a pure function of record and clock."""

    def __init__(self, decoders: Mapping[str, Decode[Meaning]], *, bare: str) -> None:
        """`decoders` by `ce_type`; `bare` is the type of a record without an envelope."""
        self._decoders = decoders
        self._types = decoders.keys()
        self._bare = bare

    def read(
        self, key: bytes | None, value: bytes | None, headers: Headers, now: dt.datetime
    ) -> Meaning:
        """What the record means; `now` is aware.

        Raises PoisonError, and nothing else, for a record that breaks a rule of the contract.
        """
        if not value:
            raise PoisonError(Reason.EMPTY_VALUE, "the value is empty")
        envelope = read_envelope(headers, value, self._types)
        return self._decoders[envelope.type or self._bare](key, envelope, now)


def decoder_of(
    model: type[Model], meaning: Callable[[Model, Envelope, dt.datetime], Meaning]
) -> Decode[Meaning]:
    """A decoder of events with data of this model; `meaning` may raise PoisonError too."""
    # What `model_validate_json` calls, without its arguments' checks.
    validate: Callable[[bytes], Model] = model.__pydantic_validator__.validate_json

    def decode(key: bytes | None, envelope: Envelope, now: dt.datetime) -> Meaning:
        event = _read_model(validate, envelope.data)
        if key is not None and key != event.user_id.encode():
            raise PoisonError(Reason.KEY_MISMATCH, "the record key is not user_id")
        return meaning(event, envelope, now)

    return decode


def utc_within(
    time: dt.datetime, field: str, now: dt.datetime, max_future_seconds: float
) -> dt.datetime:
    """An event's time in UTC; both times are aware.

    Raises PoisonError for a time before 2000 or so far in the future, with the field's name.
    """
    if time.tzinfo is not dt.UTC:
        try:
            time = time.astimezone(dt.UTC)
        except OverflowError:
            raise PoisonError(Reason.TIME_OUT_OF_RANGE, f"{field}: not a UTC time") from None
    if EARLIEST <= time <= now:  # nearly always true
        return time
    if time < EARLIEST:
        raise PoisonError(Reason.TIME_OUT_OF_RANGE, f"{field}: before {EARLIEST:%Y-%m-%d}")
    if (time - now).total_seconds() > max_future_seconds:
        raise PoisonError(
            Reason.TIME_OUT_OF_RANGE, f"{field}: more than {max_future_seconds:g} s in the future"
        )
    return time


def _read_model(validate: Callable[[bytes], Model], data: bytes) -> Model:
    if not data:
        raise PoisonError(Reason.EMPTY_VALUE, "the event has no data")
    try:
        if _may_hold_nan(data):
            # A model ignores unknown fields before it would refuse these words in them.
            from_json(data, allow_inf_nan=False)
        return validate(data)
    except ValidationError as error:
        raise _violation(error) from None
    except ValueError as error:
        raise PoisonError(Reason.INVALID_JSON, f"Invalid JSON: {error}") from None


def _may_hold_nan(data: bytes) -> bool:
    # A letter is found ten times as fast as a word, and most records hold neither.
    return (_N in data and b"NaN" in data) or (_I in data and b"Infinity" in data)


def _violation(error: ValidationError) -> PoisonError:
    """Names every field and the rule that it breaks; never what stood there."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return PoisonError(Reason.INVALID_JSON, details[0]["msg"])
    rules = {}  # of the ways to read a field, the last is the most lenient
    for detail in details:
        field = str(detail["loc"][0]) if detail["loc"] else "the data"
        # The parser of UUIDs quotes a character of its input.
        rules[field] = "must be a UUID" if detail["type"].startswith("uuid") else detail["msg"]
    message = "; ".join(f"{field}: {rule}" for field, rule in rules.items())
    return PoisonError(Reason.SCHEMA_VIOLATION, message)
