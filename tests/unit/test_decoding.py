"""A topic's records are read by the decoder of their type, whatever the type's model."""

from __future__ import annotations

import datetime as dt

import pytest

from progress_worker.domain.revisions import supersedes
from progress_worker.errors import PoisonError, Reason
from progress_worker.events.cloudevents import Envelope, Headers
from progress_worker.events.decoding import TopicReader, decoder_of
from progress_worker.events.fields import UserId
from progress_worker.events.models import IncomingEvent

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


class Joined(IncomingEvent):
    """A kind of event."""

    user_id: UserId


class Left(IncomingEvent):
    """Another, with a field of its own."""

    user_id: UserId
    year: int


def joined(event: Joined, envelope: Envelope, now: dt.datetime) -> tuple[object, ...]:
    return "joined", event.user_id, envelope.id, now


def left(event: Left, envelope: Envelope, now: dt.datetime) -> tuple[object, ...]:
    return "left", event.user_id, envelope.id, now.year - event.year


READER = TopicReader(
    {"joined.v1": decoder_of(Joined, joined), "left.v1": decoder_of(Left, left)}, bare="joined.v1"
)


def headers(event_type: str) -> Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_source", b"/here"),
        ("ce_type", event_type.encode()),
    ]


def poison(key: bytes | None, value: bytes | None, envelope: Headers) -> PoisonError:
    with pytest.raises(PoisonError) as caught:
        READER.read(key, value, envelope, NOW)
    return caught.value


def test_each_type_has_its_decoder() -> None:
    value = b'{"user_id": "ada", "year": 2020}'
    assert READER.read(b"ada", value, headers("joined.v1"), NOW) == ("joined", "ada", "e-1", NOW)
    assert READER.read(b"ada", value, headers("left.v1"), NOW) == ("left", "ada", "e-1", 6)


def test_a_structured_event_has_its_decoder_too() -> None:
    value = (
        b'{"specversion": "1.0", "id": "e-2", "source": "/here", "type": "left.v1",'
        b' "data": {"user_id": "ada", "year": 2026}}'
    )
    structured = [("content-type", b"application/cloudevents+json")]
    assert READER.read(None, value, structured, NOW) == ("left", "ada", "e-2", 0)


def test_a_record_without_an_envelope_is_of_the_bare_type() -> None:
    assert READER.read(None, b'{"user_id": "ada"}', [], NOW) == ("joined", "ada", None, NOW)


def test_an_unknown_type_is_named_by_those_that_are_known() -> None:
    error = poison(None, b'{"user_id": "ada"}', headers("left.v2"))
    assert error.reason is Reason.UNKNOWN_TYPE
    assert str(error) == "the event's type is not joined.v1 or left.v1"


@pytest.mark.parametrize(
    ("reason", "key", "value"),
    [
        (Reason.EMPTY_VALUE, None, None),
        (Reason.EMPTY_VALUE, None, b""),
        (Reason.INVALID_JSON, None, b"{"),
        (Reason.INVALID_JSON, None, b'{"user_id": "ada", "year": 1, "other": NaN}'),
        (Reason.SCHEMA_VIOLATION, None, b'{"user_id": "ada"}'),
        (Reason.KEY_MISMATCH, b"bob", b'{"user_id": "ada", "year": 1}'),
    ],
)
def test_every_type_is_checked_alike(
    reason: Reason, key: bytes | None, value: bytes | None
) -> None:
    assert poison(key, value, headers("left.v1")).reason is reason


@pytest.mark.parametrize(("arrival", "stored"), [(1, 0), (2**31 - 1, 5)])
def test_only_a_higher_revision_replaces_another(arrival: int, stored: int) -> None:
    assert supersedes(arrival, stored)
    assert not supersedes(stored, arrival)
    assert not supersedes(stored, stored)
