"""The dead letters' way back, from the command line, on both brokers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from progress_worker.generator.wire import Wire
from tests.harness.events import ENVELOPE, completed, recalculation
from tests.harness.storage import execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command
from tests.kafka.conftest import on_broker

pytestmark = pytest.mark.integration

REJECTED = [completed(f"user-{n}", topic="graphs", exercise_id="secret") for n in range(3)]
BROKEN = Wire(b"user-1", b'{"exercise_id": "secret\x1b[31m', ENVELOPE)


@pytest.fixture
async def letters(deployment: Deployment) -> AsyncIterator[Deployment]:
    """A running worker: it applied one event, Postgres refused three, and one was unreadable."""
    url = deployment.database.owner_url
    execute(url, "ALTER TABLE completion ADD CONSTRAINT no_graphs CHECK (topic <> 'graphs')")
    async with deployment.worker():
        await deployment.publish(*REJECTED, BROKEN, completed("user-1"))
        await deployment.kafka.read(deployment.dead_letters, 4)
        execute(url, "ALTER TABLE completion DROP CONSTRAINT no_graphs")
        yield deployment


def dlq(deployment: Deployment, *arguments: str) -> str:
    """What the command says."""
    done = run_command(deployment.environment(), "dlq", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def completions(deployment: Deployment) -> int:
    return len(fetch(deployment.database.owner_url, "SELECT 1 FROM completion"))


async def applied(deployment: Deployment, count: int) -> None:
    async def reached() -> bool:
        return completions(deployment) == count

    await wait_until(reached, f"{count} completions are stored")


async def test_what_the_database_refused_is_applied_once_it_can_be(letters: Deployment) -> None:
    only = ("--reason", "rejected_by_database")
    before = await letters.kafka.read(letters.completed, 5)
    assert "3 dead letters: 3 rejected_by_database." in dlq(letters, "list", *only)
    listed = json.loads(dlq(letters, "list", "--json", "--limit", "2", *only))
    assert (listed["total"], listed["reasons"]) == (3, {"rejected_by_database": 3})
    assert [letter["redriven"] for letter in listed["letters"]] == [False, False]
    assert set(listed["letters"][0]["origin"]) == {"topic", "partition", "offset"}
    assert "Would re-drive 3 dead letters" in dlq(letters, "redrive", "--dry-run", *only)
    assert "Re-drove 3 dead letters: 3 rejected_by_database." in dlq(letters, "redrive", *only)
    await applied(letters, 4)
    after = await letters.kafka.read(letters.completed, 8)
    resent = [as_sent(r) for r in after if (r.partition, r.offset) not in places(before)]
    assert sorted(resent) == sorted(as_sent(r) for r in before if b"graphs" in r.value)
    dlq(letters, "redrive", "--again", *only)
    await letters.kafka.read(letters.completed, 11)
    assert completions(letters) == 4


def as_sent(record: Any) -> tuple[Any, ...]:
    return record.partition, record.key, record.value, record.headers


def places(records: list[Any]) -> set[tuple[int, int]]:
    return {(record.partition, record.offset) for record in records}


async def test_redriven_once_is_not_redriven_by_itself_again(letters: Deployment) -> None:
    assert "Re-drove 4 dead letters" in dlq(letters, "redrive")
    await applied(letters, 4)
    # What is still broken has come back as a new dead letter.
    await letters.kafka.read(letters.dead_letters, 5)
    listed = dlq(letters, "list", "--reason", "invalid_json")
    assert [line.split()[4] for line in listed.splitlines()[1:3]] == ["yes", "no"]
    again = dlq(letters, "redrive")
    assert "Re-drove 1 dead letters: 1 invalid_json." in again
    assert "4 were re-driven before" in again


# The embedded broker does not keep the metadata of offsets.
@on_broker("apache")
async def test_what_was_not_chosen_is_left_for_later(letters: Deployment) -> None:
    only = ("--reason", "rejected_by_database")
    assert "Re-drove 1 dead letters" in dlq(letters, "redrive", "--key", "user-2")
    assert "Re-drove 2 dead letters" in dlq(letters, "redrive", *only)
    assert "Re-drove 1 dead letters: 1 invalid_json." in dlq(letters, "redrive")


async def test_list_and_show(letters: Deployment) -> None:
    assert "secret" not in dlq(letters, "list")
    assert "4 dead letters" in dlq(letters, "list", "--since", "2020-01-01")
    assert "0 dead letters." in dlq(letters, "list", "--until", "2020-01-01")
    by_partition = [dlq(letters, "list", "--partition", str(n)) for n in range(4)]
    counts = [int(re.findall(r"(\d+) dead letters", text)[0]) for text in by_partition]
    assert sum(counts) == 4
    assert max(counts) < 4
    (place,) = re.findall(r"\d+:\d+", dlq(letters, "list", "--reason", "invalid_json"))[:1]
    shown = dlq(letters, "show", place)
    assert r'value: {"exercise_id": "secret\x1b[31m' in shown
    assert "key: user-1" in shown
    assert "header ce_type: exercise.completed.v1" in shown
    refused = run_command(letters.environment(), "dlq", "show", "0:999")
    assert (refused.returncode, refused.stderr) == (1, "There is no dead letter at 0:999.\n")


async def test_commands_have_dead_letters_of_their_own(deployment: Deployment) -> None:
    """Command letters that an earlier release wrote to the events' topic go back too."""
    kafka, topic = deployment.kafka, deployment.command_dead_letters
    broken = recalculation("ada", topic=5)
    earlier = recalculation("bob", topic=6)
    origin = {"topic": deployment.commands, "partition": "0", "offset": "7"}
    about = [(f"dlq.original-{name}", text.encode()) for name, text in origin.items()]
    async with deployment.worker():
        await kafka.publish(deployment.commands, [broken])
        await kafka.read(topic, 1)
    await kafka.publish(
        deployment.dead_letters, [earlier._replace(headers=(*earlier.headers, *about))]
    )
    listed = json.loads(dlq(deployment, "list", "--json", "--topic", topic))
    assert listed["reasons"] == {"schema_violation": 1}
    assert listed["letters"][0]["origin"]["topic"] == deployment.commands
    place = listed["letters"][0]["place"]
    assert "key: ada" in dlq(deployment, "show", place, "--topic", topic)
    assert "Re-drove 1 dead letters" in dlq(deployment, "redrive", "--topic", topic)
    assert "Re-drove 1 dead letters" in dlq(deployment, "redrive")
    found = await kafka.read(deployment.commands, 3)
    assert sorted(record.key for record in found) == [b"ada", b"ada", b"bob"]
    assert "Re-drove 0 dead letters" in dlq(deployment, "redrive", "--topic", topic)
