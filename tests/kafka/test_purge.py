"""A learner's dead letters go, those of others stay, on both brokers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from progress_worker.deadletters.reading import open_dead_letters, redrive_group
from progress_worker.generator.wire import Wire
from progress_worker.kafka.topics import create_topics
from tests.harness.worker import Deployment, run_command
from tests.kafka.conftest import on_broker

pytestmark = pytest.mark.integration

#: A time of the past, which a letter has to keep for its topic's retention.
SENT_AT = 1_790_000_000_000


def letter(key: str | None, value: object, place: int, reason: str = "schema_violation") -> Wire:
    """A dead letter as the worker writes it."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    headers = (
        ("ce_type", b"exercise.completed.v1"),
        ("dlq.original-topic", b"exercise-completed"),
        ("dlq.original-partition", b"0"),
        ("dlq.original-offset", str(place).encode()),
        ("dlq.reason", reason.encode()),
        ("dlq.failed-at", b"2026-11-23T10:00:00+00:00"),
    )
    return Wire(None if key is None else key.encode(), content, headers)


ADAS = [
    letter("ada", b"not JSON", 1, "invalid_json"),
    letter(None, {"user_id": "ada"}, 2),
    letter("bob", {"user_id": "ada"}, 3, "key_mismatch"),
    letter(None, {"data": {"user_id": "ada"}}, 4),
    letter(None, {"data_base64": "eyJ1c2VyX2lkIjogImFkYSJ9"}, 5),
]
OTHERS = [
    letter("bob", {"user_id": "bob"}, 6),
    letter("adalbert", {"note": "ada"}, 7),
    letter("\u00fc", b"\xff", 8, "invalid_json"),
]
UNTOLD = [letter(None, b"ada", 9, "invalid_json"), letter(None, ["ada"], 10)]
LAST = letter("cem", {"user_id": "cem"}, 11)


@pytest.fixture
async def letters(deployment: Deployment) -> Deployment:
    """A partition with letters of all kinds, another without any of ada's."""
    settings = deployment.settings()
    await create_topics(settings)
    # A cluster makes its topic of offsets when the first group asks for it.
    await deployment.kafka.committed(redrive_group(settings), deployment.dead_letters)
    mixed = [wire for pair in zip(ADAS, [*OTHERS, *UNTOLD], strict=True) for wire in reversed(pair)]
    kafka, topic = deployment.kafka, deployment.dead_letters
    await kafka.publish(topic, [*mixed, LAST], partition=1, timestamp=SENT_AT)
    await kafka.publish(topic, OTHERS, partition=0, timestamp=SENT_AT)
    return deployment


def dlq(deployment: Deployment, *arguments: str) -> str:
    """What the command says."""
    done = run_command(deployment.environment(), "dlq", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def stored(deployment: Deployment, partition: int, count: int) -> list[Any]:
    """The records of a partition of the dead-letter topic."""
    found = await deployment.kafka.read(
        deployment.dead_letters, count, lambda record: record.partition == partition
    )
    assert len(found) == count
    return found


def content(record: Any) -> Wire:
    return Wire(record.key, record.value, record.headers)


@on_broker("embedded")
async def test_a_broker_that_cannot_delete_is_left_as_it_is(letters: Deployment) -> None:
    assert "would remove 5 dead letters" in dlq(letters, "purge", "--user", "ada", "--dry-run")
    done = run_command(letters.environment(), "dlq", "purge", "--user", "ada")
    assert done.returncode == 1
    assert f"Kafka does not delete records of {letters.dead_letters} (" in done.stderr
    assert "nothing was changed" in done.stderr
    await stored(letters, 1, 11)


@on_broker("apache")
async def test_only_the_learners_letters_go(letters: Deployment) -> None:
    kept = [*OTHERS, *UNTOLD]
    before = {record.offset for record in await stored(letters, 0, 3)}
    said = json.loads(dlq(letters, "purge", "--user", "ada", "--dry-run", "--json"))
    assert said["topics"][letters.dead_letters]["removed"] == {
        "schema_violation": 3,
        "invalid_json": 1,
        "key_mismatch": 1,
    }
    assert len(await stored(letters, 1, 11)) == 11
    said_now = dlq(letters, "purge", "--user", "ada")
    assert f"{letters.dead_letters}: removed 5 dead letters: 3 schema_violation" in said_now
    assert "5 of others were written again behind." in said_now
    assert "Of 2 neither key nor value tells whose they are" in said_now
    left = await stored(letters, 1, 6)
    assert [content(record) for record in left] == [LAST, *kept]
    assert {record.timestamp for record in left} == {SENT_AT}
    assert {record.offset for record in await stored(letters, 0, 3)} == before
    again = dlq(letters, "purge", "--user", "ada")
    assert "removed 0 dead letters." in again
    assert "written again" not in again
    assert [content(record) for record in await stored(letters, 1, 6)] == [LAST, *kept]


@on_broker("apache")
async def test_a_run_that_broke_off_before_it_deleted_is_made_good(letters: Deployment) -> None:
    kept, topic = [*OTHERS, *UNTOLD], letters.dead_letters
    # What such a run leaves: others' letters stand in both places.
    await letters.kafka.publish(topic, kept, partition=1, timestamp=SENT_AT)
    said = dlq(letters, "purge", "--user", "ada")
    assert "removed 5 dead letters" in said
    assert "written again" not in said
    assert [content(record) for record in await stored(letters, 1, 6)] == [LAST, *kept]


@on_broker("apache")
async def test_what_was_re_driven_is_not_re_driven_again_from_its_new_place(
    letters: Deployment,
) -> None:
    async with open_dead_letters(letters.settings(), letters.dead_letters) as dead_letters:
        async for found in dead_letters.letters():
            if found.key == b"adalbert":
                dead_letters.marks[found.partition].add(found.offset)
        await dead_letters.commit()
    dlq(letters, "purge", "--user", "ada")
    listed = json.loads(dlq(letters, "list", "--json", "--key", "adalbert"))
    assert [each["redriven"] for each in listed["letters"]] == [True, True]
    listed = json.loads(dlq(letters, "list", "--json", "--key", "cem"))
    assert [each["redriven"] for each in listed["letters"]] == [False]
