"""An erasure in the middle of other work: a back-fill, a walk's page, a relay; and what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import psycopg
import pytest
from aiokafka import ConsumerRecord

from progress_worker.demo.read import read_topic
from progress_worker.errors import TransientError
from tests.harness.erasing import ADA, BARRIER, PEPPER, Erased, life, mentions
from tests.harness.events import completed, erasure, excuse, preferences, wires
from tests.harness.storage import execute, fetch, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess
from tests.integration.test_walk import NEWER, Ruled

pytestmark = pytest.mark.integration

NAME = "the Countess of Lovelace"


@pytest.fixture
async def erased(deployment: Deployment) -> AsyncIterator[Erased]:
    async with projection(deployment.settings(ERASURE_PEPPER=PEPPER)) as parts:
        yield Erased(parts, deployment.database.owner_url)


async def waiting(url: str, most: int) -> bool:
    return len(fetch(url, "SELECT FROM pg_locks WHERE NOT granted")) >= most


@pytest.mark.parametrize("first", ["the walk", "the erasure"])
async def test_a_learner_in_the_middle_of_a_back_fill(erased: Erased, first: str) -> None:
    """Whichever of the two holds the learner's row first, nobody is brought back."""
    ruled = Ruled(erased.parts, erased.url)
    await erased.apply(*life(ADA), *life("bob"))
    await ruled.activate(NEWER)
    execute(erased.url, "INSERT INTO walk (name, rule_book) VALUES ('rule_book', 8)")
    last_written = {"the walk": "walk", "the erasure": "erasure_receipt"}[first]
    erase = partial(erased.command, erasure(ADA, BARRIER))
    works: list[Callable[[], Coroutine[Any, Any, None]]] = [ruled.walk_on, erase]
    if first == "the erasure":
        works.reverse()
    async with await psycopg.AsyncConnection.connect(erased.url, connect_timeout=10) as other:
        await other.execute(f"LOCK TABLE {last_written} IN SHARE MODE".encode())
        one = asyncio.create_task(works[0]())
        await wait_until(partial(waiting, erased.url, 1), f"{first} waits with the row")
        two = asyncio.create_task(works[1]())
        await wait_until(partial(waiting, erased.url, 2), "the other waits for the row")
    await asyncio.gather(one, two)
    await ruled.walk_on()
    assert mentions(erased.url, ADA) == {"outbox": 1}
    assert fetch(erased.url, "SELECT user_id, rule_book FROM learner") == [("bob", 8)]
    await erased.apply(*life(ADA))
    assert mentions(erased.url, ADA) == {"outbox": 1}


async def test_no_walk_remembers_where_the_learner_was(erased: Erased) -> None:
    """The cursor goes back to the learner before, and a walk that had begun a page tries again."""
    first = "2026-03-01T10:00:00Z"
    await erased.apply(*(completed(user, completed_at=first) for user in ("abe", ADA, "zoe")))
    begun = "INSERT INTO walk (name, after_user_id, after_event_id) VALUES (%s, %s, %s)"
    event = fetch(erased.url, "SELECT event_id FROM completion WHERE user_id = %s", ADA)[0][0]
    for name, user in (("one", ADA), ("two", "zoe")):
        execute(erased.url, begun, name, user, event)
    await erased.command(erasure(ADA, BARRIER))
    assert mentions(erased.url, ADA) == {"outbox": 1}
    cursors = "SELECT name, after_user_id, after_event_id IS NULL FROM walk ORDER BY name"
    assert fetch(erased.url, cursors) == [("one", "abe", True), ("two", "zoe", False)]


async def test_a_walk_whose_learner_is_erased_under_its_cursor(erased: Erased) -> None:
    ruled = Ruled(erased.parts, erased.url)
    await erased.apply(*life(ADA), *life("bob"))
    await ruled.activate(NEWER)
    execute(erased.url, "INSERT INTO walk (name, rule_book) VALUES ('rule_book', 8)")
    async with await psycopg.AsyncConnection.connect(erased.url, connect_timeout=10) as other:
        await other.execute("LOCK TABLE walk IN SHARE MODE")
        step = asyncio.create_task(ruled.walk.step())
        await wait_until(partial(waiting, erased.url, 1), "the walk has read its cursor")
        await other.execute("UPDATE walk SET after_user_id = 'abe'")
        await other.commit()
    with pytest.raises(TransientError, match="another process moved the walk"):
        await step
    await ruled.walk_on()
    assert fetch(erased.url, "SELECT DISTINCT rule_book FROM learner") == [(8,)]


async def test_a_finished_walk_names_nobody(erased: Erased) -> None:
    ruled = Ruled(erased.parts, erased.url)
    await erased.apply(*life(ADA))
    await ruled.activate(NEWER)
    await ruled.walk_on()
    assert fetch(erased.url, "SELECT after_user_id, finished_at IS NULL FROM walk") == [("", False)]


async def test_a_relay_that_holds_the_learners_records(
    erased: Erased, deployment: Deployment
) -> None:
    """What it has published stays published; what was erased is not published again."""
    url = deployment.database.owner_url
    await erased.apply(*life(ADA))
    ((owed,),) = fetch(url, "SELECT count(*) FROM outbox")
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as other:
        await other.execute("LOCK TABLE outbox IN EXCLUSIVE MODE")
        async with deployment.worker(ERASURE_PEPPER=PEPPER) as worker:
            published = await deployment.kafka.read(deployment.unlocked, owed)
            await deployment.kafka.publish(deployment.commands, [erasure(ADA, BARRIER)])
            await wait_until(partial(waiting, url, 2), "relay and erasure wait for the rows")
            await other.rollback()
            await wait_until(partial(done, url), "everything is published")
            (told,) = await deployment.kafka.read(deployment.erased, 1)
            assert await worker.terminate() == 0
    assert max(record.timestamp for record in published) <= told.timestamp
    again = await deployment.kafka.read(deployment.unlocked, owed)
    assert {record.value for record in again} == {record.value for record in published}
    assert mentions(url, ADA) == {}


async def done(url: str) -> bool:
    receipts = fetch(url, "SELECT FROM erasure_receipt")
    return len(receipts) == 1 and not fetch(url, "SELECT FROM outbox")


async def test_a_search_afterwards_finds_the_learner_in_named_places_only(
    deployment: Deployment,
) -> None:
    """Tables, topics, the worker's log and its metrics; docs/data-protection.md names the rest."""
    url = deployment.database.owner_url
    async with deployment.worker(ERASURE_PEPPER=PEPPER, LOG_LEVEL="debug") as worker:
        sent = [*life(ADA), {"user_id": ADA, "grade": "none"}]
        chosen = preferences(ADA, boards="named", display_name=NAME)
        await deployment.kafka.publish(deployment.commands, [excuse(ADA, "2026-03-15"), chosen])
        await wait_until(partial(named, url), "the name is stored")
        await deployment.publish(*wires(sent))
        await wait_until(partial(stored, url, 12), "the life is stored")
        await deployment.kafka.publish(deployment.commands, [erasure(ADA, BARRIER)])
        await wait_until(partial(done, url), "the learner is erased")
        await deployment.publish(*life(ADA))
        await wait_until(partial(counted, worker, 28), "what comes again is dealt with")
        metrics = await worker.get("/metrics")
        assert metrics is not None
        assert await worker.terminate() == 0
        for text in (ADA, NAME):
            assert text not in metrics.text + worker.said()
            assert mentions(url, text) == {}
    topics = {topic: await read_topic(deployment.settings(), topic) for topic in deployment.topics}
    assert [topic for topic in topics if holds(topics[topic], NAME)] == [deployment.commands]
    found = {topic for topic in topics if holds(topics[topic], ADA)}
    assert found == {
        deployment.completed,
        deployment.unlocked,
        deployment.dead_letters,
        deployment.commands,
        deployment.erased,
    }


def holds(records: Iterable[ConsumerRecord], text: str) -> bool:
    return any(text.encode() in (each.key or b"") + (each.value or b"") for each in records)


async def named(url: str) -> bool:
    return fetch(url, "SELECT display_name FROM learner_preference") == [(NAME,)]


async def stored(url: str, wanted: int) -> bool:
    return fetch(url, "SELECT count(*) FROM completion") == [(wanted,)]


async def counted(worker: WorkerProcess, wanted: int) -> bool:
    return await worker.metric("progress_events_total") >= wanted
