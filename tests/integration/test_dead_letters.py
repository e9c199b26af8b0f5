"""Breaks every rule of the contract once: the record is dead-lettered unchanged, others count."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from progress_worker import __version__
from progress_worker.errors import Reason
from progress_worker.generator.wire import Wire, WireHeaders
from tests.harness.events import ENVELOPE, Event, completed, wire
from tests.harness.storage import execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

Spoil = Callable[[Event], Wire]

#: A text in the records that must not be repeated in a header or a log.
SECRET = "sésame"


def field(name: str, content: object) -> Spoil:
    return lambda event: wire(event | {name: content})._replace(key=event["user_id"].encode())


def without(name: str, headers: WireHeaders = ENVELOPE) -> Spoil:
    return lambda event: wire({k: v for k, v in event.items() if k != name} | {}, headers)


def value(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda event: (good := wire(event))._replace(value=change(good.value or b""))


def header(name: str, content: bytes | None) -> Spoil:
    """Replace a header, or remove it."""
    kept = tuple(pair for pair in ENVELOPE if pair[0] != name)
    changed = kept if content is None else (*kept, (name, content))
    return lambda event: wire(event, changed)


def no_user(event: Event) -> Wire:
    left = {name: content for name, content in event.items() if name != "user_id"}
    return Wire(event["user_id"].encode(), json.dumps(left).encode(), ENVELOPE)


def structured(changes: Event) -> Spoil:
    """Structured mode with something wrong in its envelope."""

    def spoilt(event: Event) -> Wire:
        whole = {
            "specversion": "1.0",
            "id": "1",
            "source": "/x",
            "type": "exercise.completed.v1",
            "data": event,
        } | changes
        headers = (("content-type", b"application/cloudevents+json"),)
        return Wire(event["user_id"].encode(), json.dumps(whole).encode(), headers)

    return spoilt


def soon(minutes: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)).isoformat()


R = Reason
CASES: dict[str, tuple[Reason, Spoil]] = {
    "no value": (R.EMPTY_VALUE, value(lambda _: None)),
    "empty value": (R.EMPTY_VALUE, value(lambda _: b"")),
    "structured without data": (R.EMPTY_VALUE, structured({"data": None})),
    "larger than 64 KiB": (R.TOO_LARGE, value(lambda good: good + b" " * 65_536)),
    "cut off": (R.INVALID_JSON, value(lambda good: good[:40])),
    "not JSON": (R.INVALID_JSON, value(lambda _: SECRET.encode())),
    "not UTF-8": (R.INVALID_JSON, value(lambda good: good.replace(b"two-sum", b"\xff\xfe"))),
    "lone surrogate": (R.INVALID_JSON, value(lambda g: g.replace(b"two-sum", rb"\ud800"))),
    "not a number": (R.INVALID_JSON, value(lambda g: g.replace(b": 80", b": NaN"))),
    "structured that is not JSON": (
        R.INVALID_JSON,
        lambda e: structured({})(e)._replace(value=b"{"),
    ),
    "no ce_id": (R.INVALID_ENVELOPE, header("ce_id", None)),
    "no ce_specversion": (R.INVALID_ENVELOPE, header("ce_specversion", None)),
    "no ce_source": (R.INVALID_ENVELOPE, header("ce_source", b"")),
    "no ce_type": (R.INVALID_ENVELOPE, header("ce_type", None)),
    "another specversion": (R.INVALID_ENVELOPE, header("ce_specversion", b"0.3")),
    "another content type": (R.INVALID_ENVELOPE, header("content-type", b"text/xml")),
    "a header that is not text": (R.INVALID_ENVELOPE, header("ce_type", b"\xff\x00\xfe")),
    "ce_id twice": (
        R.INVALID_ENVELOPE,
        lambda e: wire(e, (*ENVELOPE, ("ce_id", b"delivery-2"))),
    ),
    "structured without id": (R.INVALID_ENVELOPE, structured({"id": None})),
    "another type": (R.UNKNOWN_TYPE, header("ce_type", b"exercise.completed.v2")),
    "another structured type": (R.UNKNOWN_TYPE, structured({"type": "x"})),
    "not an object": (R.SCHEMA_VIOLATION, value(lambda _: b"[]")),
    "no user": (R.SCHEMA_VIOLATION, no_user),
    **{
        f"no {name}": (R.SCHEMA_VIOLATION, without(name))
        for name in completed("x")
        if name != "user_id"
    },
    "no event_id with a UUID as ce_id but a revision": (
        R.SCHEMA_VIOLATION,
        lambda e: without("event_id", header("ce_id", str(uuid4()).encode())(e).headers)(
            e | {"revision": 0}
        ),
    ),
    "bare without event_id": (R.SCHEMA_VIOLATION, without("event_id", ())),
    **{
        f"{name} {content!r:.20}": (R.SCHEMA_VIOLATION, field(name, content))
        for name, contents in {
            "event_id": (SECRET, 5),
            "revision": (-1, 2**31, 0.5, SECRET),
            "revoked": (1, SECRET),
            "user_id": ("", "x" * 129, "nul\0", 5),
            "exercise_id": ("", "x" * 257, "nul\0", None),
            "topic": ("", "x" * 129, "nul\0", None),
            "difficulty": (SECRET, None),
            "grade": (-0.01, 100.01, SECRET, True),
            "time_spent_seconds": (-1, 86_401, 1.5, None),
            "hints_used": (-1, 1_001, 1.5, SECRET),
            "completed_at": ("2026-11-23T12:00:00", SECRET, 1_700_000_000, None),
            "timezone": ("", 5),
        }.items()
        for content in contents
    },
    "another learner's key": (R.KEY_MISMATCH, lambda e: wire(e)._replace(key=b"\xffx")),
    "an unknown zone": (R.UNKNOWN_TIMEZONE, field("timezone", "Europe/Atlantis")),
    "another spelling of a zone": (R.UNKNOWN_TIMEZONE, field("timezone", "europe/berlin")),
    "before 2000": (R.TIME_OUT_OF_RANGE, field("completed_at", "1999-12-31T23:59:59Z")),
    "too far ahead": (
        R.TIME_OUT_OF_RANGE,
        field("completed_at", soon(minutes=30)),
    ),
    "refused by Postgres": (R.REJECTED_BY_DATABASE, field("exercise_id", "refused")),
    "its revision refused by Postgres": (
        R.REJECTED_BY_DATABASE,
        field("exercise_id", "refused as well"),
    ),
}


class Aftermath(NamedTuple):
    """What was sent, and the results; the letters by case."""

    deployment: Deployment
    sent: dict[str, Any]
    letters: dict[str, Any]


@pytest.fixture(scope="module")
async def aftermath(shared: Deployment) -> Aftermath:
    """All cases in one batch of one partition, each between two good events of its learner."""
    execute(
        shared.database.owner_url,
        "ALTER TABLE completion ADD CONSTRAINT no_refused CHECK (exercise_id NOT LIKE 'refused%')",
    )
    wires = []
    for number, (_, spoil) in enumerate(CASES.values()):
        user_id = f"spoilt-{number}"
        wires += [
            wire(completed(user_id)),
            spoil(completed(user_id)),
            wire(completed(user_id, topic="sets")),
        ]
    await shared.publish(*wires, partition=0)
    found = await shared.kafka.read(shared.completed, len(wires), lambda r: r.partition == 0)
    first = next(at for at, record in enumerate(found) if record.key == b"spoilt-0")
    sent = {name: found[first + 3 * at + 1] for at, name in enumerate(CASES)}
    by_offset = {record.offset: name for name, record in sent.items()}
    letters = await shared.kafka.read(
        shared.dead_letters, len(CASES), lambda r: original(r) in by_offset
    )
    assert sorted(map(original, letters)) == sorted(by_offset)
    return Aftermath(shared, sent, {by_offset[original(r)]: r for r in letters})


def original(letter: Any) -> int:
    """The offset of the record of partition 0 that a letter holds; -1 for other records."""
    headers = dict(letter.headers)
    if headers["dlq.original-partition"] != b"0" or not headers["dlq.original-topic"].endswith(
        b"-completed"
    ):
        return -1
    return int(headers["dlq.original-offset"])


@pytest.mark.parametrize("case", CASES)
async def test_a_broken_record_is_set_aside_as_it_came(aftermath: Aftermath, case: str) -> None:
    sent, letter = aftermath.sent[case], aftermath.letters[case]
    assert (letter.key, letter.value) == (sent.key, sent.value)
    own = len(sent.headers)
    assert letter.headers[:own] == sent.headers
    about = {name: content.decode() for name, content in letter.headers[own:]}
    assert about.pop("dlq.message")
    assert dt.datetime.fromisoformat(about.pop("dlq.failed-at")).utcoffset() == dt.timedelta(0)
    assert about == {
        "dlq.original-topic": aftermath.deployment.completed,
        "dlq.original-partition": "0",
        "dlq.original-offset": str(sent.offset),
        "dlq.original-timestamp": str(sent.timestamp),
        "dlq.consumer-group": aftermath.deployment.group,
        "dlq.reason": CASES[case][0].value,
        "dlq.attempts": "1",
        "dlq.worker-version": __version__,
    }


async def test_the_neighbours_of_broken_records_count(aftermath: Aftermath) -> None:
    async def counted() -> bool:
        rows = fetch(
            aftermath.deployment.database.owner_url,
            "SELECT user_id, count(*) FROM completion WHERE user_id LIKE 'spoilt-%'"
            " GROUP BY user_id",
        )
        return dict(rows) == {f"spoilt-{number}": 2 for number in range(len(CASES))}

    await wait_until(counted, "both neighbours of every broken record are applied")


async def test_no_payload_is_repeated_where_operators_look(aftermath: Aftermath) -> None:
    for letter in aftermath.letters.values():
        message = dict(letter.headers)["dlq.message"].decode()
        assert "sésa" not in message
        assert "spoilt-" not in message


async def test_dead_letters_are_counted_by_reason(shared: Deployment, aftermath: Aftermath) -> None:
    worker = shared.running
    for reason, count in Counter(reason for reason, _ in CASES.values()).items():
        labels = {"topic": shared.completed, "reason": reason.value}
        counted = await worker.metric("progress_dead_letters_total", **labels)
        assert counted >= count


async def test_a_header_name_that_is_not_text_is_no_hindrance(shared: Deployment) -> None:
    """Our client cannot write such a record. A good one counts, a broken one is dead-lettered."""
    learner = f"named-{uuid4().hex}"
    odd: Any = (*ENVELOPE, ("an-odd-name", b"kept"), ("none", None))
    batch = [
        wire(completed(learner), odd),
        wire(completed(learner)),
        wire(completed(learner, grade=101), odd),
        wire(completed(learner)),
    ]
    await shared.kafka.publish_renamed(
        shared.completed, 1, batch, b"an-odd-name", b"an-\xff\xfed-name"
    )
    [letter] = await shared.kafka.read(
        shared.dead_letters, 1, lambda record: record.key == learner.encode()
    )
    assert letter.value == batch[2].value
    shown = ("an-\\xff\\xfed-name", b"kept")
    assert letter.headers[: len(odd)] == (*ENVELOPE, shown, ("none", None))
    assert dict(letter.headers)["dlq.reason"] == b"schema_violation"

    async def counted() -> bool:
        rows = fetch(
            shared.database.owner_url,
            "SELECT count(*) FROM completion WHERE user_id = %s",
            learner,
        )
        return rows == [(3,)]

    await wait_until(counted, "its neighbours and the good one are applied")
