"""An erased learner is gone, and nothing brings back what was done before."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from progress_worker.embedded.database import Database
from progress_worker.errors import FatalError, LearnerChangedError
from progress_worker.generator.wire import Wire
from progress_worker.storage.database import connect
from progress_worker.storage.write.erasures import Erasures
from tests.harness.erasing import ADA, BARRIER, PEPPER, Erased, life, mentions
from tests.harness.events import completed, erasure, excuse, preferences, records
from tests.harness.storage import Projection, fetch, progress, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command

pytestmark = pytest.mark.integration


@pytest.fixture
async def erased(deployment: Deployment) -> AsyncIterator[Erased]:
    async with projection(deployment.settings(ERASURE_PEPPER=PEPPER)) as parts:
        yield Erased(parts, deployment.database.owner_url)


async def test_nothing_is_left_but_a_hash_a_receipt_and_the_message(erased: Erased) -> None:
    bob = life("bob")
    await erased.apply(*life(ADA), *bob)
    await erased.command(excuse(ADA, "2026-03-15"))
    await erased.command(preferences(ADA, display_name=f"I am {ADA}", boards="named"))
    await erased.command(erasure(ADA, BARRIER))
    assert mentions(erased.url, ADA) == {"outbox": 1}
    (message,) = fetch(erased.url, "SELECT topic, value FROM outbox WHERE key = %s", ADA.encode())
    assert message[0].endswith("erased")
    assert json.loads(message[1]).keys() == {"erasure_id", "erased_at"}
    hashes = fetch(erased.url, "SELECT user_hash, barrier::text FROM erasure")
    assert hashes == [(Erasures(PEPPER).hash(ADA), "2026-03-20 12:00:00+00")]
    ((deleted,),) = fetch(erased.url, "SELECT deleted FROM erasure_receipt")
    assert deleted["completion"] == 12
    assert deleted["excuse"] == deleted["learner_preference"] == 1
    assert min(deleted[name] for name in ("learner_day", "achievement_unlock", "outbox")) > 0
    assert {row[0] for row in fetch(erased.url, "SELECT user_id FROM learner")} == {"bob"}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_order_only_what_came_after_counts(
    erased: Erased, deployment: Deployment, seed: int
) -> None:
    """Replays, repeats, cached learners, and the command anywhere between the events."""
    rng = random.Random(seed)
    old, new = life(ADA), life(ADA, "04", 5)
    stream: list[Any] = rng.sample([*old, *new], len(old) + len(new))
    stream += rng.sample(stream, 10)
    stream.insert(rng.randrange(len(stream)), erasure(ADA, BARRIER))
    stream.insert(rng.randrange(len(stream)), erasure(ADA, "2026-03-05T00:00:00Z"))
    stream += rng.sample(stream, len(stream))
    for each in stream:
        if isinstance(each, dict):
            await erased.apply(each)
        else:
            await erased.command(each)
        if rng.random() < 0.2:
            erased.parts.cache.clear()
    found = progress(erased.url, any_order=True)
    await erased.command(erasure(ADA, "2026-06-01T00:00:00Z"))
    assert mentions(erased.url, ADA).keys() == {"outbox"}
    # The same without a past.
    await erased.apply(*(each | {"user_id": "eve"} for each in new))
    expected = progress(erased.url, any_order=True)
    assert {table: len(rows) for table, rows in found.items()} == {
        table: len(rows) for table, rows in expected.items()
    }
    for table in ("learner_total", "learner_day", "skill_level", "learner_counter"):
        without_id = [[row[1:] for row in rows] for rows in (found[table], expected[table])]
        assert without_id[0] == without_id[1], table
    # What is derived again is backdated.
    names = [{row[1:3] for row in rows["achievement_unlock"]} for rows in (found, expected)]
    assert names[0] == names[1] != set()
    assert erased.outcomes()["erased"] > 0


async def test_a_learner_who_comes_back_begins_anew(erased: Erased) -> None:
    old = life(ADA)
    await erased.apply(*old)
    ((before,),) = fetch(erased.url, "SELECT version FROM learner")
    await erased.command(erasure(ADA, BARRIER))
    await erased.apply(completed(ADA, completed_at="2026-03-21T10:00:00Z"))
    ((version, first),) = fetch(erased.url, "SELECT version, first_version FROM learner")
    assert version == first > before
    await erased.apply(*old)
    assert fetch(erased.url, "SELECT sum(completions) FROM learner_total") == [(1,)]
    assert fetch(erased.url, "SELECT count(*) FROM completion") == [(1,)]
    await erased.command(excuse(ADA, "2026-03-18", issued_at="2026-03-20T11:59:00Z"))
    assert fetch(erased.url, "SELECT count(*) FROM excuse") == [(0,)]
    await erased.command(excuse(ADA, "2026-03-22", issued_at="2026-03-20T12:00:01Z"))
    assert fetch(erased.url, "SELECT count(*) FROM excuse") == [(1,)]


BEFORE, AFTER = "2026-03-20T11:59:00Z", "2026-03-20T12:00:01Z"


@pytest.mark.parametrize("erased_first", [True, False])
@pytest.mark.parametrize("issued_at", [BEFORE, BARRIER, AFTER])
async def test_preferences_count_if_they_were_issued_after_the_barrier(
    erased: Erased, erased_first: bool, issued_at: str
) -> None:
    """Whatever the order; with and without other facts that are left."""
    chosen = [preferences(user, gamification="off", issued_at=issued_at) for user in (ADA, "bob")]
    gone = [erasure(user, BARRIER) for user in (ADA, "bob")]
    later = completed("bob", completed_at="2026-03-21T10:00:00Z")
    await erased.apply(*life(ADA), *life("bob"))
    for wire in [*gone, *chosen] if erased_first else [*chosen, *gone]:
        await erased.command(wire)
    await erased.apply(later)
    await erased.apply(*life(ADA))
    for wire in chosen:
        await erased.command(wire)
    left = fetch(erased.url, "SELECT user_id, gamification FROM learner_preference ORDER BY 1")
    assert left == ([(ADA, "off"), ("bob", "off")] if issued_at == AFTER else [])
    assert fetch(erased.url, "SELECT user_id FROM completion") == [("bob",)]
    if issued_at != AFTER:
        assert mentions(erased.url, ADA).keys() == {"outbox"}
    # What is read of the row that is left, and what is stored, are one.
    erased.parts.cache.clear()
    await erased.apply(completed("bob", completed_at="2026-03-22T10:00:00Z"))
    query = "SELECT value FROM outbox WHERE topic LIKE '%%unlocked' AND key = %s"
    messages = [json.loads(value) for (value,) in fetch(erased.url, query, b"bob")]
    assert {message["quiet"] for message in messages} == {issued_at == AFTER}


async def test_the_same_request_again_does_nothing(erased: Erased) -> None:
    request = str(uuid4())
    await erased.apply(*life(ADA))
    await erased.command(erasure(ADA, BARRIER, request))
    await erased.apply(completed(ADA, completed_at="2026-03-21T10:00:00Z"))
    before = progress(erased.url)
    await erased.command(erasure(ADA, BARRIER, request))
    assert progress(erased.url) == before
    assert fetch(erased.url, "SELECT count(*) FROM erasure_receipt") == [(1,)]


async def test_an_erasure_beside_the_first_completion_in_an_open_transaction(
    erased: Erased, deployment: Deployment
) -> None:
    """Whichever of the two holds the learner's row first."""
    first = completed(ADA, completed_at="2026-03-01T10:00:00Z")
    async with await psycopg.AsyncConnection.connect(erased.url, connect_timeout=10) as other:
        await other.execute("LOCK TABLE achievement_unlock IN SHARE MODE")
        applying = asyncio.create_task(erased.parts.apply(records(first)))
        await wait_until(partial(_waiting, erased.url, 1), "the event waits with the row")
        erasing = asyncio.create_task(erased.command(erasure(ADA, BARRIER)))
        await wait_until(partial(_waiting, erased.url, 2), "the erasure waits for the row")
    await asyncio.gather(applying, erasing)
    assert mentions(erased.url, ADA) == {"outbox": 1}

    later = completed("grace", completed_at="2026-03-01T10:00:00Z")
    async with await psycopg.AsyncConnection.connect(erased.url, connect_timeout=10) as other:
        await other.execute("LOCK TABLE erasure_receipt IN SHARE MODE")
        erasing = asyncio.create_task(erased.command(erasure("grace", BARRIER)))
        await wait_until(partial(_waiting, erased.url, 1), "the erasure waits with the row")
        applying = asyncio.create_task(erased.parts.apply(records(later)))
        await wait_until(partial(_waiting, erased.url, 2), "the event waits for the row")
    await erasing
    with pytest.raises(LearnerChangedError, match="erased by another transaction"):
        await applying
    await erased.apply(later)
    assert mentions(erased.url, "grace") == {"outbox": 1}
    assert erased.outcomes()["erased"] == 1


async def _waiting(url: str, most: int) -> bool:
    return len(fetch(url, "SELECT FROM pg_locks WHERE NOT granted")) >= most


async def test_many_erasures_beside_live_events(erased: Erased) -> None:
    """Everybody is erased once; a cached learner is as gone as any other."""
    rng = random.Random(4)
    users = [f"learner-{number:03}" for number in range(60)]
    streams = {user: life(user, days=4) for user in users}
    await erased.apply(*(event for user in users for event in streams[user]))
    gone = rng.sample(users, 40)

    async def live() -> None:
        for _ in range(40):
            some = rng.sample(users, 5)
            await erased.apply(
                *(rng.choice(streams[user]) for user in some),
                *(completed(user, completed_at="2026-03-19T10:00:00Z") for user in some),
            )

    async def erase() -> None:
        await asyncio.gather(*(erased.command(erasure(user, BARRIER)) for user in gone))

    await asyncio.gather(live(), erase())
    await erased.apply(*(event for user in users for event in streams[user]))
    assert {row[0] for row in fetch(erased.url, "SELECT user_id FROM learner")} == {*users} - {
        *gone
    }
    for table in ("completion", "learner_day", "achievement_unlock"):
        left = fetch(erased.url, f"SELECT DISTINCT user_id FROM {table}")
        assert {row[0] for row in left} == {*users} - {*gone}
    assert fetch(erased.url, "SELECT count(*) FROM erasure_receipt") == [(40,)]
    told = Counter(
        bytes(key).decode()
        for (key,) in fetch(erased.url, "SELECT key FROM outbox WHERE topic LIKE '%erased'")
    )
    assert told == Counter(gone)


async def test_without_a_pepper_the_request_is_a_dead_letter(
    projected: Projection, migrated_database: Database
) -> None:
    (record,) = records(erasure(ADA, BARRIER))
    await projected.commands.handle(record)
    ((headers,),) = fetch(migrated_database.owner_url, "SELECT headers FROM outbox")
    assert dict(headers)["dlq.reason"] == "erasure_not_configured"


async def test_another_pepper_and_none_stop_the_start(erased: Erased) -> None:
    for pepper, what in ((None, "is not set"), ("another secret of the tests", "is another one")):
        async with connect(erased.parts.engine) as connection:
            with pytest.raises(FatalError, match=f"PROGRESS_ERASURE_PEPPER {what}, and learners"):
                await Erasures(pepper).check(connection)
    async with connect(erased.parts.engine) as connection:
        await Erasures(PEPPER).check(connection)


async def test_records_of_an_erased_learner_never_become_dead_letters(erased: Erased) -> None:
    """Where the key says whose they are, and if they were written before the barrier."""
    barrier = dt.datetime.fromisoformat(BARRIER)
    await erased.command(erasure(ADA, BARRIER))
    broken = [Wire(key.encode(), b"{", ()) for key in (ADA, ADA, "bob")]
    batch = records(*broken)
    for record, hours in zip(batch, (-1, 1, -1), strict=True):
        record.timestamp = round((barrier + dt.timedelta(hours=hours)).timestamp() * 1000)
    await erased.parts.apply(batch)
    for record in batch:
        await erased.parts.commands.handle(record)
    letters = fetch(
        erased.url, "SELECT convert_from(key, 'UTF8') FROM outbox WHERE topic LIKE '%dlq'"
    )
    assert Counter(letters) == Counter([(ADA,), ("bob",)] * 2)
    assert erased.outcomes() == {"erased": 1, "dead_lettered": 2}


async def test_the_command_erases_by_a_worker_and_prints_the_receipt(
    deployment: Deployment,
) -> None:
    url = deployment.database.owner_url
    variables = deployment.environment(ERASURE_PEPPER=PEPPER, MIGRATE_DATABASE_URL=url)

    async def run(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(run_command, variables, *arguments)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    async with deployment.worker(ERASURE_PEPPER=PEPPER):
        await deployment.publish(*life(ADA), *life("bob"))
        await wait_until(partial(_counted, url, 24), "both are stored")
        status, said = await run("erase", ADA, "--json")
        assert status == 0, said
        assert json.loads(said)["deleted"]["completion"] == 12
        await deployment.publish(*life(ADA))
        await deployment.publish(completed("bob", completed_at="2026-03-30T10:00:00Z"))
        await wait_until(partial(_counted, url, 13), "what came later is stored")
    assert mentions(url, ADA) == {}
    status, said = await run("erasures", "list")
    assert (status, said.count("\n")) == (0, 2)
    assert Erasures(PEPPER).hash(ADA).hex() in said
    assert await run("erasures", "forget", "--before", "2026-01-01") == (0, "Forgot 0 learners.\n")
    assert await run("erasures", "forget", "--before", "2100-01-01") == (0, "Forgot 1 learners.\n")


async def _counted(url: str, wanted: int) -> bool:
    return fetch(url, "SELECT count(*) FROM completion") == [(wanted,)]
