"""Hostile records with the outcome of each: applied, or dead-lettered for a reason.

The tests of the decoder and of dead letters break one rule of the contract each. These records go
further: they have fooled parsers, encodings, clocks, file systems and SQL elsewhere.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from progress_worker.errors import Reason
from progress_worker.generator.wire import Wire
from tests.harness.events import ENVELOPE

R = Reason
#: The record is stored like any other completion.
APPLIED: Final = None
MAX_VALUE_BYTES: Final = 65_536

STRUCTURED: Final = (("content-type", b"application/cloudevents+json"),)


class Hostile(NamedTuple):
    """A record and its outcome; `event_id` names the completion that it may become."""

    name: str
    wire: Wire
    outcome: Reason | None
    event_id: str


class _Case:
    """Builds the records of one case, whose learner and event are its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.event_id = str(uuid5(NAMESPACE_URL, name))
        self.user_id = f"hostile-{self.event_id[:8]}"

    def value(self, more: bytes = b"", /, **fields: str | bytes) -> bytes:
        """A good value, with JSON text instead of some fields, and with `more` as its last."""
        own: dict[str, str | bytes] = {
            "event_id": json.dumps(self.event_id),
            "user_id": json.dumps(self.user_id),
            "exercise_id": '"two-sum"',
            "topic": '"algorithms"',
            "difficulty": '"medium"',
            "grade": "80",
            "time_spent_seconds": "60",
            "hints_used": "1",
            "completed_at": '"2026-03-02T10:00:00+01:00"',
        }
        return _object(own | fields, more)

    def structured(self, more: bytes = b"", /, **attributes: str | bytes) -> bytes:
        """A good event in structured mode, changed in the same way."""
        own: dict[str, str | bytes] = {
            "specversion": '"1.0"',
            "id": '"1"',
            "source": '"/x"',
            "type": '"exercise.completed.v1"',
            "data": self.value(),
        }
        return _object(own | attributes, more)

    def hostile(
        self,
        outcome: Reason | None,
        value: bytes | None = None,
        *,
        headers: Any = ENVELOPE,
        key: bytes | None = None,
    ) -> Hostile:
        """The record; by default its key is its learner."""
        key = self.user_id.encode() if key is None else key
        value = self.value() if value is None else value
        return Hostile(self.name, Wire(key, value, headers), outcome, self.event_id)


def _object(members: Mapping[str, str | bytes], more: bytes) -> bytes:
    written = [
        b'"%b": %b' % (name.encode(), text.encode() if isinstance(text, str) else text)
        for name, text in members.items()
    ]
    return b"{" + b", ".join([*written, *([more] if more else [])]) + b"}"


def hostile_records() -> list[Hostile]:
    """The whole corpus."""
    cases = [
        *_bytes(),
        *_json(),
        *_duplicates(),
        *_depths_and_sizes(),
        *_numbers(),
        *_times(),
        *_zones(),
        *_texts(),
        *_keys(),
        *_headers(),
        *_structured_events(),
    ]
    assert len({case.name for case in cases}) == len(cases)
    return cases


def _bytes() -> Iterator[Hostile]:
    for name, junk in {
        "zeros": b"\0" * 64,
        "a zero before": b"\0",
        "a schema registry's prefix": b"\0\0\0\0\7",
        "a byte order mark of UTF-16": b"\xfe\xff",
        "a byte order mark of UTF-8": b"\xef\xbb\xbf",
        "a guard against cross-site inclusion": b")]}',\n",
        "another event before": b"{}\n",
        "a no-break space": "\u00a0".encode(),
        "a vertical tab": b"\v",
    }.items():
        case = _Case(f"bytes: {name}")
        yield case.hostile(R.INVALID_JSON, junk + case.value())
    for encoding in ("utf-16-le", "utf-16-be", "utf-32", "cp037"):
        case = _Case(f"bytes: in {encoding}")
        yield case.hostile(R.INVALID_JSON, case.value().decode().encode(encoding))
    case = _Case("bytes: compressed")
    yield case.hostile(R.INVALID_JSON, gzip.compress(case.value(), mtime=0))
    for name, sequence in {
        "overlong slash in two": b"\xc0\xaf",
        "overlong letter": b"\xc1\x81",
        "overlong slash in three": b"\xe0\x80\xaf",
        "overlong slash in four": b"\xf0\x80\x80\xaf",
        "overlong NUL": b"\xc0\x80",
        "beyond the last code point": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
        "a surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
        "half a surrogate pair": b"\xed\xa0\xbd",
        "a continuation alone": b"\x80",
        "a sequence cut off": b"\xe2\x82",
        "Latin-1": "Zoë".encode("latin-1"),
        "a raw NUL": b"a\0b",
        "a raw escape": b"\x1b[31m",
    }.items():
        case = _Case(f"UTF-8: {name}")
        yield case.hostile(R.INVALID_JSON, case.value(exercise_id=b'"' + sequence + b'"'))
        case = _Case(f"UTF-8, in what is ignored: {name}")
        yield case.hostile(R.INVALID_JSON, case.value(b'"note": "' + sequence + b'"'))
        case = _Case(f"UTF-8, in a name: {name}")
        yield case.hostile(R.INVALID_JSON, case.value(b'"' + sequence + b'": 1'))


def _json() -> Iterator[Hostile]:
    for token in (
        *("nan", "inf", "-inf", "NaN", "-NaN", "Infinity", "-Infinity", "undefined", "None"),
        *("True", "0x50", "+80", "80.", ".8", "8e", "8e+", "-", "080", "-080", "1_000", "80L"),
        *("８０", "٨٠", "80,5", "'80'", "(80)", "80 // note", "/* note */ 80", ""),
    ):
        case = _Case(f"JSON: grade {token}")
        yield case.hostile(R.INVALID_JSON, case.value(grade=token))
        case = _Case(f"JSON: ignored {token}")
        yield case.hostile(R.INVALID_JSON, case.value(b'"note": ' + token.encode()))
    for escape in (
        *(r"\ud800", r"\udfff", r"\ud83d\ud83d", r"\ude00\ud83d", r"\ud83d!", r"\ud83dA"),
        *(r"\x41", r"\u12", r"\u12g4", r"\U0001F600", r"\'", r"\0", r"\a", "\\", "\t", "\n", "\r"),
    ):
        case = _Case(f"JSON: text {escape!r}")
        yield case.hostile(R.INVALID_JSON, case.value(exercise_id=f'"{escape}"'))
        case = _Case(f"JSON: ignored text {escape!r}")
        yield case.hostile(R.INVALID_JSON, case.value(f'"note": "{escape}"'.encode()))
    for name in ("__proto__", "constructor", "__class__", "$ref", "@type", "", "\\u0000", "model_"):
        case = _Case(f"JSON: an unknown field named {name}")
        yield case.hostile(APPLIED, case.value(b'"%b": {"a": [null]}' % name.encode()))
    case = _Case("JSON: names in escapes")
    value = case.value().replace(b'"topic"', b'"\\u0074opic"')
    yield case.hostile(APPLIED, value)
    case = _Case("JSON: a name in another case")
    yield case.hostile(R.SCHEMA_VIOLATION, case.value().replace(b'"topic"', b'"Topic"'))
    case = _Case("JSON: white space all over")
    yield case.hostile(APPLIED, b" \t\r\n" + case.value().replace(b": ", b"\r\n:\t") + b"\n\n")
    case = _Case("JSON: a form feed")
    yield case.hostile(R.INVALID_JSON, case.value().replace(b": ", b":\f"))
    for name, value in {"a list of it": b"[%b]", "text of it": b'"%b"'}.items():
        case = _Case(f"JSON: {name}")
        inner = case.value() if value[:1] == b"[" else case.value().replace(b'"', b'\\"')
        yield case.hostile(R.SCHEMA_VIOLATION, value % inner)


def _duplicates() -> Iterator[Hostile]:
    """Duplicate keys: the last one counts, as in every JSON parser that we know of."""
    for name, last, outcome in (
        ("grade", b"101", R.SCHEMA_VIOLATION),
        ("grade", b"70", APPLIED),
        ("user_id", b'"somebody-else"', R.KEY_MISMATCH),
        ("completed_at", b'"1999-01-01T00:00:00Z"', R.TIME_OUT_OF_RANGE),
        ("topic", b"null", R.SCHEMA_VIOLATION),
    ):
        case = _Case(f"twice: {name}, then {last.decode()}")
        yield case.hostile(outcome, case.value(b'"%b": %b' % (name.encode(), last)))
    case = _Case("twice: first a lone surrogate")
    value = case.value(b'"exercise_id": "two-sum"', exercise_id=r'"\ud800"')
    yield case.hostile(R.INVALID_JSON, value)
    case = _Case("twice: good only at last")
    yield case.hostile(APPLIED, case.value(b'"grade": 80', grade="101"))


def _depths_and_sizes() -> Iterator[Hostile]:
    for depth, outcome in ((100, APPLIED), (1_000, R.INVALID_JSON), (32_000, R.INVALID_JSON)):
        for kind, (opened, closed) in {"lists": (b"[", b"]"), "objects": (b'{"a":', b"}")}.items():
            if depth * len(opened + closed) > 64_000:
                continue
            inner = opened * depth + b"1" + closed * depth
            case = _Case(f"depth: {depth} {kind}")
            yield case.hostile(outcome, case.value(b'"note": ' + inner))
            case = _Case(f"depth: {depth} {kind} in a field")
            yield case.hostile(outcome or R.SCHEMA_VIOLATION, case.value(topic=inner))
    case = _Case("depth: never closed")
    yield case.hostile(R.INVALID_JSON, b"[" * MAX_VALUE_BYTES)
    case = _Case("width: 4,000 unknown fields")
    fields = b", ".join(b'"x%d": %d' % (n, n) for n in range(4_000))
    yield case.hostile(APPLIED, case.value(fields))
    for over, outcome in ((0, APPLIED), (1, R.TOO_LARGE)):
        case = _Case(f"size: the limit and {over} in text of three bytes a letter")
        room = MAX_VALUE_BYTES + over - len(case.value(b'"note": ""'))
        text = "字".encode() * (room // 3) + b"x" * (room % 3)
        yield case.hostile(outcome, case.value(b'"note": "%b"' % text))
    case = _Case("size: 900,000 bytes")
    yield case.hostile(R.TOO_LARGE, case.value(b'"note": "%b"' % (b"x" * 900_000)))
    case = _Case("size: too large, and no JSON either")
    yield case.hostile(R.TOO_LARGE, b"\xff" * (MAX_VALUE_BYTES + 1))
    for count, outcome in ((256, APPLIED), (257, R.SCHEMA_VIOLATION)):
        for name, letter in (
            ("emoji", "😀"),
            ("combining", "\u0301"),
            ("escaped", r"\ud83d\ude00"),
        ):
            case = _Case(f"size: {count} {name} letters")
            yield case.hostile(outcome, case.value(exercise_id=f'"{letter * count}"'))


def _numbers() -> Iterator[Hostile]:
    for grade, outcome in {
        "1e2": APPLIED,
        "1E+2": APPLIED,
        "0.1e3": APPLIED,
        "-0": APPLIED,
        "-0.0e-5": APPLIED,
        "1e-400": APPLIED,
        "0." + "3" * 5_000: APPLIED,
        "100.00000000000000000001": APPLIED,
        "100.0000000000001": R.SCHEMA_VIOLATION,
        "-1e-300": R.SCHEMA_VIOLATION,
        "1e400": R.SCHEMA_VIOLATION,
        "-1e400": R.SCHEMA_VIOLATION,
        "9" * 400: R.SCHEMA_VIOLATION,
        "1e99999999999999999999": R.SCHEMA_VIOLATION,
    }.items():
        case = _Case(f"number: grade {grade:.30}")
        yield case.hostile(outcome, case.value(grade=grade))
    for hints, outcome in {
        "1e1": APPLIED,
        "-0": APPLIED,
        "-0.0": APPLIED,
        "1.0000000000000000000001": APPLIED,
        "1.000001": R.SCHEMA_VIOLATION,
        "1e-400": APPLIED,
        "1e400": R.SCHEMA_VIOLATION,
        "9223372036854775808": R.SCHEMA_VIOLATION,
        "9" * 4_000: R.SCHEMA_VIOLATION,
        "9" * 5_000: R.INVALID_JSON,
        "[1]": R.SCHEMA_VIOLATION,
        "{}": R.SCHEMA_VIOLATION,
    }.items():
        case = _Case(f"number: hints {len(hints)} {hints:.30}")
        yield case.hostile(outcome, case.value(hints_used=hints))
    for number, outcome in {
        "9" * 4_000: APPLIED,
        "1e400": APPLIED,
        "-1e-400": APPLIED,
        "1e99999999999999999999": APPLIED,
    }.items():
        case = _Case(f"number: ignored {number:.30}")
        yield case.hostile(outcome, case.value(b'"note": ' + number.encode()))
    for revision, outcome in {
        "2147483647": APPLIED,
        "2147483647.0": APPLIED,
        "2.147483648e9": R.SCHEMA_VIOLATION,
    }.items():
        case = _Case(f"number: revision {revision}")
        yield case.hostile(outcome, case.value(revision=revision))


def _times() -> Iterator[Hostile]:
    for written, outcome in {
        "2016-12-31T23:59:60Z": R.SCHEMA_VIOLATION,
        "2015-06-30T23:59:60.999Z": R.SCHEMA_VIOLATION,
        "2026-03-02T10:00:00-00:00": APPLIED,
        "2026-03-02T10:00:00.000000000000000000000000000000001Z": APPLIED,
        "2026-03-02T10:00:00." + "9" * 60_000 + "Z": APPLIED,
        "2024-02-29T10:00:00Z": APPLIED,
        "2023-02-29T10:00:00Z": R.SCHEMA_VIOLATION,
        "2026-03-02T10:00:00+23:59": APPLIED,
        "2026-03-02T10:00:00-23:59": APPLIED,
        "2026-03-02T10:00:00+00:60": R.SCHEMA_VIOLATION,
        "2026-03-02T10:00:00+00:00:01": R.SCHEMA_VIOLATION,
        "2026-03-02T10:00:00ZZ": R.SCHEMA_VIOLATION,
        "2026-03-02T10:00:00[Europe/Berlin]": R.SCHEMA_VIOLATION,
        "2026-03-02T10:00:00+01:00[Europe/Berlin]": R.SCHEMA_VIOLATION,
        "+2026-03-02T10:00:00Z": R.SCHEMA_VIOLATION,
        "-2026-03-02T10:00:00Z": R.SCHEMA_VIOLATION,
        "0001-01-01T00:00:00-23:59": R.TIME_OUT_OF_RANGE,
        "9999-12-31T23:59:59.9999999Z": R.TIME_OUT_OF_RANGE,
        "292277026596-12-04T15:30:08Z": R.SCHEMA_VIOLATION,
        "infinity": R.SCHEMA_VIOLATION,
        "now": R.SCHEMA_VIOLATION,
        "\u200f2026-03-02T10:00:00Z": R.SCHEMA_VIOLATION,
        "2026-03-02T10:00:00Z\0": R.SCHEMA_VIOLATION,
        "2026\u201003\u201002T10:00:00Z": R.SCHEMA_VIOLATION,
    }.items():
        case = _Case(f"time: {len(written)} {written:.60}")
        yield case.hostile(outcome, case.value(completed_at=json.dumps(written)))
    for zone, written in {
        "Europe/Berlin": "2026-03-29T02:30:00+01:00",
        "America/New_York": "2025-11-02T01:30:00-04:00",
        "Pacific/Apia": "2011-12-30T12:00:00+00:00",
        "Pacific/Kiritimati": "2000-01-01T00:00:00Z",
        "Africa/Monrovia": "2000-01-01T00:00:00Z",
    }.items():
        case = _Case(f"time: a clock change in {zone}")
        yield case.hostile(
            APPLIED, case.value(completed_at=json.dumps(written), timezone=json.dumps(zone))
        )


def _zones() -> Iterator[Hostile]:
    for zone in (
        *("../../etc/passwd", "/etc/passwd", "..\\..\\windows", "../zoneinfo/UTC", "./UTC", "UTC/"),
        *("Europe/../Europe/Berlin", "Europe//Berlin", "/Europe/Berlin", "Europe", "Europe/"),
        *("Europe/Berlin\0", "Europe/Berlin\n", " Europe/Berlin", "Europe/Berlin%00", "."),
        *("zone.tab", "zones", "__init__.py", "Europe/__init__.py", "posixrules", "localtime"),
        *("posix/UTC", "right/UTC", "UTC+2", "<+02>-2", ":Europe/Berlin", "file:///etc/passwd"),
        *("EUROPE/BERLIN", "Europe/Berlín", "Europe/Berlin\u200b", "Εurope/Berlin", "null"),
    ):
        case = _Case(f"zone: {zone!r}")
        yield case.hostile(R.UNKNOWN_TIMEZONE, case.value(timezone=json.dumps(zone)))
    for zone in ("UTC", "EST5EDT", "Etc/GMT+12", "America/Argentina/ComodRivadavia"):
        case = _Case(f"zone: {zone}")
        yield case.hostile(APPLIED, case.value(timezone=json.dumps(zone)))


#: Text with a meaning for terminals, browsers, spreadsheets, SQL or arrays.
TEXTS: Final = (
    *("\u202egnirts", "\u2066a\u2069", "a\u200bb", "\u200d", "\ufeffa", "\u00ad", "\ufff9a\ufffb"),
    *("\uffff", "\ufdd0", "\ue000", "\U0010ffff", "e\u0301", "é", "ﬃ", "ǅ", "ß", "ı", "\u2028"),
    *("Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"),
    *("NULL", "null", "\\N", "\\.", "{}", '{"a","b"}', "{NULL}", '"', '""', '\\"', "\\", "\\\\"),
    *(",", "a,b", "'", "''", "';--", "'); DROP TABLE learner; --", "$$", "$1", "%s", "%(a)s"),
    *(
        "{0}",
        "{user_id}",
        "${jndi:ldap://127.0.0.1/a}",
        "$(id)",
        "`id`",
        "|id",
        "<script>x</script>",
    ),
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\ta", "a\r\nb", "\x1b[2J", "\x7f", "\x01", "\u0085"),
    *(" ", " a ", "\u3000", "../../etc/passwd", "C:\\a", "http://127.0.0.1/", "true", "0", "NaN"),
)


def _texts() -> Iterator[Hostile]:
    for text in TEXTS:
        case = _Case(f"text: {text!r}")
        written = json.dumps(text, ensure_ascii=False)
        yield case.hostile(APPLIED, case.value(exercise_id=written, topic=written))
        case = _Case(f"text in escapes: {text!r}")
        yield case.hostile(APPLIED, case.value(exercise_id=json.dumps(text)))
    for text in TEXTS:
        case = _Case(f"learner: {text!r}")
        case.user_id += text
        yield case.hostile(APPLIED, case.value(user_id=json.dumps(case.user_id)))
    for difficulty in ("\u0435asy", "easy\u200b", "easy ", "ｅasy", "Easy", "easy\0", "\ufeffeasy"):
        case = _Case(f"difficulty: {difficulty!r}")
        yield case.hostile(R.SCHEMA_VIOLATION, case.value(difficulty=json.dumps(difficulty)))
    for field in ("user_id", "exercise_id", "topic"):
        case = _Case(f"NUL in escapes in {field}")
        yield case.hostile(R.SCHEMA_VIOLATION, case.value(**{field: r'"a\u0000b"'}))


def _keys() -> Iterator[Hostile]:
    for name, key in {
        "empty": b"",
        "a NUL at its end": b"%b\0",
        "white space at its end": b"%b ",
        "a byte order mark": b"\xef\xbb\xbf%b",
        "JSON of it": b'"%b"',
        "not UTF-8": b"%b\xff",
        "a zero-width space": b"%b\xe2\x80\x8b",
        "60,000 bytes": b"%b" + b"x" * 60_000,
    }.items():
        case = _Case(f"key: {name}")
        yield case.hostile(R.KEY_MISMATCH, key=key.replace(b"%b", case.user_id.encode()))
    case = _Case("key: composed otherwise")
    value = case.value(user_id='"Zoe\u0308"')
    yield case.hostile(R.KEY_MISMATCH, value, key="Zoë".encode())


def _headers() -> Iterator[Hostile]:
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for name, more in {
        "an empty name": (("", b"x"),),
        "a NUL in its name": (("a\0b", b"\0\xff"),),
        "a name beyond ASCII": (("ключ\u202e", "ключ".encode()),),
        "no content": (("x", None),),
        "500 of one name": (("x", b"y"),) * 500,
        "500 names": tuple((f"x{n}", None) for n in range(500)),
        "200,000 bytes": (("x", b"\xff" * 200_000),),
        "ours": (("dlq.reason", b"x"), ("dlq.original-offset", b"-1"), ("dlq.attempts", b"9" * 99)),
        "CE_ID too": (("CE_ID", b"another"),),
        "a trace twice": (("traceparent", trace), ("traceparent", trace)),
        "a trace of 100,000 bytes": (("traceparent", trace * 2_000),),
        "a trace that is not text": (("traceparent", b"\xff\0"),),
        "a trace without content": (("traceparent", None),),
        "ce_time that is none": (("ce_time", b"9999-99-99"),),
        "ce_extension without content": (("ce_extension", None),),
        "ce_datacontenttype": (("ce_datacontenttype", b"text/xml"),),
    }.items():
        case = _Case(f"header: {name}")
        yield case.hostile(APPLIED, headers=(*ENVELOPE, *more))
        case = _Case(f"header of what is broken: {name}")
        yield case.hostile(R.INVALID_JSON, b"{", headers=(*ENVELOPE, *more))
    for name, content, outcome in (
        ("ce_specversion", b"1.0 ", R.INVALID_ENVELOPE),
        ("ce_specversion", b"1.0\0", R.INVALID_ENVELOPE),
        ("ce_specversion", "１.0".encode(), R.INVALID_ENVELOPE),
        ("ce_specversion", None, R.INVALID_ENVELOPE),
        ("ce_type", b"exercise.completed.v1\0", R.UNKNOWN_TYPE),
        ("ce_type", b"exercise.completed.v1 ", R.UNKNOWN_TYPE),
        ("ce_type", b"x" * 100_000, R.UNKNOWN_TYPE),
        ("ce_type", None, R.INVALID_ENVELOPE),
        ("ce_id", b"\0", APPLIED),
        ("ce_id", b"x" * 100_000, APPLIED),
        ("ce_id", b"\xed\xa0\x80", R.INVALID_ENVELOPE),
        ("ce_source", "\u202e".encode(), APPLIED),
        ("content-type", None, APPLIED),
        ("content-type", b"application/json; charset=utf-16", APPLIED),
        ("content-type", b"application/json\0", R.INVALID_ENVELOPE),
        ("content-type", b"application/json, text/xml", R.INVALID_ENVELOPE),
        ("content-type", b"application/" + b"x" * 100_000 + b"+json", APPLIED),
        ("content-type", b"application/cloudevents-batch+json", R.INVALID_ENVELOPE),
    ):
        case = _Case(f"header: {name} {content!r:.40}")
        kept = tuple(pair for pair in ENVELOPE if pair[0] != name)
        yield case.hostile(outcome, headers=(*kept, (name, content)))
    for name, content in ENVELOPE:
        case = _Case(f"header: {name} twice, the second empty")
        yield case.hostile(R.INVALID_ENVELOPE, headers=(*ENVELOPE, (name, None)))
        case = _Case(f"header: {name} twice, the same")
        yield case.hostile(R.INVALID_ENVELOPE, headers=(*ENVELOPE, (name, content)))


def _structured_events() -> Iterator[Hostile]:
    for name, attributes, outcome in (
        ("as it should be", {}, APPLIED),
        ("specversion is a number", {"specversion": "1.0 "}, R.INVALID_ENVELOPE),
        ("type is a list", {"type": '["exercise.completed.v1"]'}, R.INVALID_ENVELOPE),
        ("id is a number", {"id": "1"}, R.INVALID_ENVELOPE),
        ("id with a NUL", {"id": r'"\u0000"'}, APPLIED),
        ("id with a lone surrogate", {"id": r'"\ud800"'}, R.INVALID_JSON),
        ("data is false", {"data": "false"}, R.SCHEMA_VIOLATION),
        ("data is empty text", {"data": '""'}, R.SCHEMA_VIOLATION),
        ("data is a list", {"data": "[]"}, R.SCHEMA_VIOLATION),
        ("data and data_base64", {"data_base64": '"e30="'}, R.INVALID_ENVELOPE),
        ("traceparent is an object", {"traceparent": "{}"}, APPLIED),
        ("a nested event", {"data": '{"data": {}}'}, R.SCHEMA_VIOLATION),
        ("an extension of 4,000 digits", {"extension": "9" * 4_000}, APPLIED),
        ("an extension out of range", {"extension": "1e400"}, APPLIED),
        ("an extension 1,000 deep", {"extension": "[" * 1_000 + "]" * 1_000}, R.INVALID_JSON),
        ("datacontenttype is null", {"datacontenttype": "null"}, APPLIED),
        ("datacontenttype is a number", {"datacontenttype": "5"}, R.INVALID_ENVELOPE),
    ):
        case = _Case(f"structured: {name}")
        value = case.structured(**attributes)
        yield case.hostile(outcome, value, headers=STRUCTURED)
    for field, text, outcome in (
        ("grade", "1e400", R.INVALID_JSON),  # an infinity would have to be written again
        ("grade", "NaN", R.INVALID_JSON),
        ("hints_used", "9" * 4_000, R.SCHEMA_VIOLATION),
        ("exercise_id", r'"\ud83d\ude00"', APPLIED),
        ("exercise_id", r'"\u0000"', R.SCHEMA_VIOLATION),
        ("completed_at", '"2016-12-31T23:59:60Z"', R.SCHEMA_VIOLATION),
        ("timezone", '"../../etc/passwd"', R.UNKNOWN_TIMEZONE),
        ("note", "1e400", R.INVALID_JSON),
    ):
        case = _Case(f"structured: {field} {text:.30}")
        value = case.structured(data=case.value(**{field: text}))
        yield case.hostile(outcome, value, headers=STRUCTURED)
    case = _Case("structured: data twice, good at last")
    value = case.structured(b'"data": ' + case.value(), data="5")
    yield case.hostile(APPLIED, value, headers=STRUCTURED)
    case = _Case("structured: headers of binary mode too")
    headers = (*ENVELOPE[:-1], *STRUCTURED)
    yield case.hostile(APPLIED, case.structured(), headers=headers)
    case = _Case("structured: a list of events")
    yield case.hostile(R.INVALID_ENVELOPE, b"[%b]" % case.structured(), headers=STRUCTURED)
