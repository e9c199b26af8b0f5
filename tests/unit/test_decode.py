"""Every rule of the contract broken once, and every limit met."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import UUID

import pytest

from progress_worker.domain.completion import Completion
from progress_worker.errors import PoisonError, Reason
from progress_worker.events.cloudevents import Headers
from progress_worker.ingest.decode import Decoded, Decoder, grade_hundredths

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
EVENT_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DECODER = Decoder(max_value_bytes=65_536, max_future_seconds=300)
GONE = object()
EVENT: dict[str, Any] = {
    "event_id": EVENT_ID,
    "user_id": "learner-17",
    "exercise_id": "two-sum",
    "topic": "algorithms",
    "difficulty": "medium",
    "grade": 87.5,
    "time_spent_seconds": 540,
    "hints_used": 1,
    "completed_at": "2026-11-23T01:30:00+02:00",
}


def envelope(ce_id: str = "delivery-1") -> Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_source", b"/exercise-platform"),
        ("ce_type", b"exercise.completed.v1"),
        ("traceparent", TRACE.encode()),
    ]


def value_of(**changes: Any) -> bytes:
    event = {**EVENT, **changes}
    return json.dumps({name: value for name, value in event.items() if value is not GONE}).encode()


def decode(
    value: bytes | None, *, key: bytes | None = None, headers: Headers | None = None
) -> Decoded:
    return DECODER.decode(key, value, envelope() if headers is None else headers, NOW)


def completion(**changes: Any) -> Completion:
    return decode(value_of(**changes)).completion


def poison(
    value: bytes | None, *, key: bytes | None = None, headers: Headers | None = None
) -> PoisonError:
    with pytest.raises(PoisonError) as caught:
        decode(value, key=key, headers=headers)
    return caught.value


MORE = {"day_starts_at": 4, "cohort": "spring-2026", "unknown": {"a": [None]}}


def test_a_completion_in_full() -> None:
    value = value_of(revision=3, revoked=True, timezone="Asia/Tokyo", **MORE)
    assert decode(value, key=b"learner-17") == Decoded(
        Completion(
            user_id="learner-17",
            event_id=UUID(EVENT_ID),
            revision=3,
            revoked=True,
            exercise_id="two-sum",
            topic="algorithms",
            difficulty="medium",
            grade_hundredths=8750,
            time_spent_seconds=540,
            hints_used=1,
            completed_at=dt.datetime(2026, 11, 22, 23, 30, tzinfo=dt.UTC),
            timezone="Asia/Tokyo",
            local_day=dt.date(2026, 11, 23),
            utc_offset_minutes=540,
            day_starts_at=4,
            cohort="spring-2026",
            local_day_hour=4,
        ),
        TRACE,
    )


def test_what_may_be_left_out() -> None:
    found = completion()
    assert (found.revision, found.revoked, found.timezone) == (0, False, None)
    assert (found.day_starts_at, found.cohort) == (None, None)
    assert found.local_day == dt.date(2026, 11, 23)
    assert found.completed_at.utcoffset() == dt.timedelta(0)


def test_a_bare_value_without_headers() -> None:
    assert decode(value_of(), headers=[]) == Decoded(completion(), None)


def test_a_structured_event() -> None:
    event = {
        "specversion": "1.0",
        "id": EVENT_ID,
        "source": "/exercise-platform",
        "type": "exercise.completed.v1",
        "data": {**EVENT, "event_id": None},
    }
    headers: Headers = [("content-type", b"application/cloudevents+json")]
    assert decode(json.dumps(event).encode(), headers=headers).completion == completion()
    del event["data"]
    assert poison(json.dumps(event).encode(), headers=headers).reason == Reason.EMPTY_VALUE


@pytest.mark.parametrize("value", [None, b""])
def test_an_empty_value(value: bytes | None) -> None:
    assert poison(value).reason == Reason.EMPTY_VALUE


def test_the_size_limit() -> None:
    value = value_of()
    exact = value + b" " * (65_536 - len(value))
    assert decode(exact).completion == completion()
    assert poison(exact + b" ").reason == Reason.TOO_LARGE


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"not json",
        b" ",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + value_of(),
        value_of() + b"{}",
        value_of()[:-1] + b",}",
        value_of().decode().encode("utf-16"),
        value_of(topic="x\udc80y"),
        value_of(extra="\ud800"),
        value_of().replace(b"algorithms", b"\xed\xa0\x80"),
        value_of().replace(b"algorithms", b"\xc0\x80"),
        value_of().replace(b"algorithms", b"a\nb"),
        value_of(grade=float("nan")),
        value_of(grade=float("inf")),
        value_of(extra=float("nan")),
        value_of(extra=[{"deep": float("inf")}]),
        value_of(extra=float("-inf")),
        value_of().replace(b"540", b"0540"),
        b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
)
def test_what_is_no_json(value: bytes) -> None:
    assert poison(value).reason == Reason.INVALID_JSON


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "Infinity and NaN"])
def test_those_words_are_welcome_inside_text(text: str) -> None:
    assert completion(exercise_id=text).exercise_id == text


def test_a_broken_envelope() -> None:
    assert poison(value_of(), headers=[("ce_id", b"x")]).reason == Reason.INVALID_ENVELOPE


def test_an_unknown_type_is_reported_before_what_is_wrong_with_its_data() -> None:
    headers = [*envelope()[:3], ("ce_type", b"exercise.completed.v2")]
    assert poison(b"{}", headers=headers).reason == Reason.UNKNOWN_TYPE


@pytest.mark.parametrize("value", [b"[]", b"null", b"5", b'"text"', b"{}"])
def test_json_that_is_no_event(value: bytes) -> None:
    assert poison(value).reason == Reason.SCHEMA_VIOLATION


@pytest.mark.parametrize("field", [name for name in EVENT if name != "event_id"])
def test_a_required_field_is_missing(field: str) -> None:
    error = poison(value_of(**{field: GONE}))
    assert error.reason == Reason.SCHEMA_VIOLATION
    assert str(error) == f"{field}: Field required"


BROKEN = [
    *(("event_id", bad) for bad in ("", "nonsense", 5, EVENT_ID[:-1], True)),
    *(("revision", bad) for bad in (-1, 2**31, 10**30, 0.5, "1", True, None)),
    *(("revoked", bad) for bad in (0, 1, "true", None)),
    *(("user_id", bad) for bad in ("", "x" * 129, "a\0b", 17, None)),
    *(("exercise_id", bad) for bad in ("", "x" * 257, "\0", 17, None)),
    *(("topic", bad) for bad in ("", "x" * 129, "a\0", 17, None)),
    *(("difficulty", bad) for bad in ("", "EASY", "expert", 1, None)),
    *(("grade", bad) for bad in (-0.01, 100.001, 101, "87", True, 10**400)),
    *(("time_spent_seconds", bad) for bad in (-1, 86_401, 1.5, "5", True, None)),
    *(("hints_used", bad) for bad in (-1, 1_001, 1.5, "5", True, None)),
    *(("timezone", bad) for bad in ("", "x" * 65, 5)),
]


@pytest.mark.parametrize(("field", "bad"), BROKEN)
def test_a_broken_field(field: str, bad: object) -> None:
    error = poison(value_of(**{field: bad}))
    assert error.reason == Reason.SCHEMA_VIOLATION
    assert str(error).startswith(f"{field}: ")


LIMITS = [
    *(("revision", good) for good in (0, 2**31 - 1)),
    *(("revoked", good) for good in (True, False)),
    *(("user_id", good) for good in ("x", "😀" * 128, "a\nb")),
    *(("exercise_id", good) for good in ("x", "é" * 256)),
    *(("topic", good) for good in ("x", "字" * 128)),
    *(("difficulty", good) for good in ("easy", "medium", "hard")),
    *(("time_spent_seconds", good) for good in (0, 86_400)),
    *(("hints_used", good) for good in (0, 1_000)),
]


@pytest.mark.parametrize(("field", "good"), LIMITS)
def test_a_limit_is_met(field: str, good: object) -> None:
    assert getattr(completion(**{field: good}), field) == good


@pytest.mark.parametrize("written", [b"540.0", b"5.4e2"])
def test_an_integer_may_be_written_with_a_fraction_of_nothing(written: bytes) -> None:
    found = decode(value_of().replace(b"540", written)).completion.time_spent_seconds
    assert found == 540
    assert type(found) is int


@pytest.mark.parametrize(
    ("written", "hundredths"),
    [
        ("0", 0),
        ("-0.0", 0),
        ("100", 10_000),
        ("87.53", 8753),
        ("0.29", 29),
        ("33.333333333333", 3333),
        ("99.996", 10_000),
        ("2.675", 268),
        ("2.665", 266),
        ("2.6650000001", 267),
        ("2.6749999999", 267),
        ("0.005", 0),
        ("0.015", 2),
        ("1.005", 100),
        ("1e-7", 0),
        ("5e-324", 0),
    ],
)
def test_grades_are_rounded_half_to_even_as_they_are_written(written: str, hundredths: int) -> None:
    value = value_of().replace(b"87.5", written.encode())
    assert decode(value).completion.grade_hundredths == hundredths


def test_every_grade_of_two_decimals_is_kept() -> None:
    assert [grade_hundredths(float(f"{n / 100:.2f}")) for n in range(10_001)] == list(range(10_001))


def test_every_half_of_three_decimals_goes_to_the_even_side() -> None:
    for n in range(10_000):
        assert grade_hundredths(float(f"{n // 100}.{n % 100:02}5")) == n + n % 2


def test_not_graded() -> None:
    assert completion(grade=None).grade_hundredths is None


@pytest.mark.parametrize("key", [b"", b"learner-18", b"LEARNER-17", b"\xff", b"learner-17 "])
def test_a_key_that_is_not_the_user_id(key: bytes) -> None:
    assert poison(value_of(), key=key).reason == Reason.KEY_MISMATCH


def test_a_key_beyond_ascii() -> None:
    key = "Zoë😀".encode()
    assert decode(value_of(user_id="Zoë😀"), key=key).completion.user_id == "Zoë😀"


@pytest.mark.parametrize("name", ["Mars/Olympus", "europe/berlin", "../zones", "+02:00", "a\0"])
def test_an_unknown_zone(name: str) -> None:
    assert poison(value_of(timezone=name)).reason == Reason.UNKNOWN_TIMEZONE


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1700000000",
        "2026-11-23",
        "2026-11-23T01:30:00",
        "2026-11-23 01:30:00Z",
        "2026-11-23T01:30Z",
        "2026-11-23T01:30:00+0200",
        "2026-11-23T01:30:00+02",
        "2026-11-23T01:30:00+24:00",
        "2026-11-23T01:30:00,5Z",
        "2026-11-23T01:30:00.Z",
        "2026-11-23T01:30:00Z\n",
        " 2026-11-23T01:30:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-22T23:59:60Z",
        "2026-02-30T01:30:00Z",
        "2026-13-01T01:30:00Z",
        "0000-01-01T01:30:00Z",
        "12026-11-23T01:30:00Z",
        "2026-W48-1T01:30:00Z",
        "20261123T013000Z",
        "２０２６-11-23T01:30:00Z",
        "2026-11-23T01:30:00−02:00",
        "yesterday",
        1_700_000_000,
        1.7e9,
        None,
        True,
    ],
)
def test_a_time_that_is_not_rfc_3339(written: object) -> None:
    error = poison(value_of(completed_at=written))
    assert error.reason == Reason.SCHEMA_VIOLATION
    assert str(error).startswith("completed_at: ")


@pytest.mark.parametrize(
    ("written", "instant", "day"),
    [
        ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00+00:00", "2026-11-23"),
        ("2026-11-23t00:00:00z", "2026-11-23T00:00:00+00:00", "2026-11-23"),
        ("2026-11-23T00:00:00-00:00", "2026-11-23T00:00:00+00:00", "2026-11-23"),
        ("2026-11-23T00:00:00.1234567Z", "2026-11-23T00:00:00.123456+00:00", "2026-11-23"),
        ("2026-11-24T00:30:00+14:00", "2026-11-23T10:30:00+00:00", "2026-11-24"),
        ("2026-11-22T23:30:00-11:00", "2026-11-23T10:30:00+00:00", "2026-11-22"),
        # The limits: the first instant, and five minutes from now.
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00+00:00", "2000-01-01"),
        ("1999-12-31T13:00:00-11:00", "2000-01-01T00:00:00+00:00", "1999-12-31"),
        ("2026-11-23T12:05:00Z", "2026-11-23T12:05:00+00:00", "2026-11-23"),
    ],
)
def test_times(written: str, instant: str, day: str) -> None:
    found = completion(completed_at=written)
    assert found.completed_at == dt.datetime.fromisoformat(instant)
    assert found.local_day == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    "written",
    [
        "1999-12-31T23:59:59.999999Z",
        "2000-01-01T00:00:00+00:01",
        "2026-11-23T12:05:00.000001Z",
        "0001-01-01T00:00:00+23:59",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "9999-12-31T23:59:59Z",
    ],
)
@pytest.mark.parametrize("timezone", [None, "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_time_out_of_range(written: str, timezone: str | None) -> None:
    error = poison(value_of(completed_at=written, timezone=timezone))
    assert error.reason == Reason.TIME_OUT_OF_RANGE


def test_a_local_day_after_the_last_year() -> None:
    patient = Decoder(max_value_bytes=65_536, max_future_seconds=1e18)
    value = value_of(completed_at="9999-12-31T23:00:00Z", timezone="Pacific/Kiritimati")
    with pytest.raises(PoisonError) as caught:
        patient.decode(None, value, [], NOW)
    assert caught.value.reason == Reason.TIME_OUT_OF_RANGE


@pytest.mark.parametrize("left_out", [GONE, None])
@pytest.mark.parametrize("ce_id", [EVENT_ID, EVENT_ID.upper()])
def test_the_envelopes_id_stands_in_for_the_event_id(left_out: object, ce_id: str) -> None:
    found = decode(value_of(event_id=left_out), headers=envelope(ce_id)).completion
    assert found.event_id == UUID(EVENT_ID)


def test_the_event_id_wins_over_the_envelopes() -> None:
    other = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    assert decode(value_of(), headers=envelope(other)).completion.event_id == UUID(EVENT_ID)


@pytest.mark.parametrize(
    ("ce_id", "changes"),
    [
        ("delivery-1", {}),
        (f"{{{EVENT_ID}}}", {}),
        (f"0x{EVENT_ID[2:]}", {}),
        (EVENT_ID, {"revision": 0}),
        (EVENT_ID, {"revision": 1}),
    ],
)
def test_no_event_id(ce_id: str, changes: dict[str, object]) -> None:
    error = poison(value_of(event_id=GONE, **changes), headers=envelope(ce_id))
    assert error.reason == Reason.SCHEMA_VIOLATION
    assert str(error).startswith("event_id: ")


def test_a_bare_value_needs_its_event_id() -> None:
    assert poison(value_of(event_id=GONE), headers=[]).reason == Reason.SCHEMA_VIOLATION


@pytest.mark.parametrize(
    "value",
    [
        *(value_of(**{field: "sésame"}) for field in ("event_id", "grade", "hints_used")),
        *(value_of(**{field: "sésame"}) for field in ("difficulty", "completed_at", "timezone")),
        value_of(user_id="sésame"),
        value_of(user_id="sésame\0"),
        '{"sésame": '.encode(),
        '{"topic": sésame'.encode(),
    ],
)
def test_a_message_repeats_nothing_of_the_record(value: bytes) -> None:
    error = poison(value, key=b"learner-17")
    assert "same" not in str(error)
    assert "é" not in str(error)
    assert error.__suppress_context__ or error.__context__ is None
