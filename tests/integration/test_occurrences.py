"""Unlocks that repeat and unlocks that can be lost, with real rows and real messages."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
from collections import Counter
from typing import Any

import pytest
import yaml

from progress_worker.domain.completion import Completion
from progress_worker.embedded.database import Database
from progress_worker.events.identities import unlock_event_id
from tests.folding import Store
from tests.harness.events import Event, completed, records
from tests.harness.storage import Projection, execute, fetch
from tests.integration.test_walk import Ruled, differences, kill, take, walk_of
from tests.property.test_repeat_laws import BOOK, CHAIN, WRITTEN, entry

pytestmark = pytest.mark.integration

UNLOCKS = """
SELECT user_id, achievement_id, occurrence, generation, rules_digest, value, target
FROM achievement_unlock ORDER BY 1, 2, 3
"""
COUNTERS = "SELECT user_id, key, bucket, n FROM learner_counter ORDER BY 1, 2, 3"
LOST = "SELECT user_id, lost_unlocks FROM learner WHERE lost_unlocks IS NOT NULL ORDER BY 1"
MESSAGES = "SELECT topic, convert_from(value, 'UTF8') FROM outbox ORDER BY id"


def written(version: int, **changes: Any) -> str:
    """The rule book of the laws, with these changes."""
    content = BOOK.content.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(content | {"version": version} | changes)


@pytest.fixture
async def ruled(projected: Projection, migrated_database: Database) -> Ruled:
    ruled = Ruled(projected, migrated_database.owner_url)
    await ruled.activate(written(8))
    return ruled


def history(user_id: str, rng: random.Random) -> list[Event]:
    """Exercises of some weeks, with regrades, moves to another day and revocations."""
    events = [
        completed(
            user_id,
            exercise_id=rng.choice(["two-sum", "sort", "join"]),
            difficulty=rng.choice(["easy", "hard"]),
            topic=rng.choice(["algorithms", "databases"]),
            time_spent_seconds=rng.choice([0, 600, 1300]),
            hints_used=rng.choice([0, 3]),
            completed_at=f"2026-03-{rng.randint(1, 20):02}T10:00:00Z",
        )
        for _ in range(rng.randint(3, 10))
    ]
    corrected = []
    for event in events:
        for revision in range(1, rng.choice([1, 1, 2, 4])):
            change: dict[str, Any] = {"revoked": rng.random() < 0.5}
            change["completed_at"] = f"2026-03-{rng.randint(1, 20):02}T10:00:00Z"
            corrected.append(event | {"revision": revision} | change)
    return rng.sample(events + corrected, len(events + corrected))


def decoded(parts: Projection, events: list[Event]) -> list[Completion]:
    now = dt.datetime.now(dt.UTC)
    return [
        parts.decoder.decode(r.key, r.value, r.headers, now).completion for r in records(*events)
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_rows_and_messages_are_those_of_the_rules(ruled: Ruled, seed: int) -> None:
    """Batches of any size, cached learners and learners that are read again."""
    rng = random.Random(seed)
    waiting = [history(f"learner-{number}", rng) for number in range(10)]
    store = Store(ruled.parts.books.active)
    while any(waiting):
        batch = [
            stream.pop(0)
            for stream in rng.sample(waiting, 4)
            for _ in range(rng.randint(1, 3))
            if stream
        ]
        await ruled.apply(*batch)
        store.apply(decoded(ruled.parts, batch))
        if rng.random() < 0.3:
            ruled.parts.cache.clear()
    learners = sorted(store.learners.items())
    book = ruled.parts.books.active
    assert fetch(ruled.url, UNLOCKS) == sorted(
        (
            user_id,
            unlock.achievement.id,
            unlock.occurrence,
            unlock.generation,
            book.digest,
            unlock.progress.current,
            unlock.progress.target,
        )
        for user_id, rows in learners
        for unlock in rows.unlocks
    )
    assert fetch(ruled.url, COUNTERS) == sorted(
        (user_id, *pair, n) for user_id, rows in learners for pair, n in rows.buckets.items()
    )
    assert fetch(ruled.url, LOST) == [(user, rows.lost) for user, rows in learners if rows.lost]
    assert not await differences(ruled)
    messages = fetch(ruled.url, MESSAGES)
    assert Counter(topic.rpartition("-")[2] for topic, _ in messages) == Counter(
        unlocked=sum(len(each.unlocks) for each in store.effects),
        changes=sum(len(each.losses) for each in store.effects),
    )
    events = [json.loads(value) for _, value in messages]
    assert len({event["event_id"] for event in events}) == len(events)
    published = {event["event_id"] for event in events if "unlock_event_id" not in event}
    lost = {event["unlock_event_id"] for event in events if "unlock_event_id" in event}
    assert lost < published
    held = {unlock_event_id(*row[:4]) for row in fetch(ruled.url, UNLOCKS)}
    assert published - lost == held


def harder(version: int, announce: str) -> str:
    """Only a few are left of what could be lost, and each first week is announced."""
    rules = CHAIN | WRITTEN
    asked = rules | {
        "lose_count": rules["lose_count"] | {"rule": {"exercises_completed": {"at_least": 9}}},
        "newcomer": {"rule": {"exercises_completed": {"at_least": 1, "within": "week"}}},
        "newer": {"rule": {"active_days": {"at_least": 2}}},
    }
    return written(
        version, announce=announce, achievements=[entry(*each) for each in asked.items()]
    )


@pytest.mark.parametrize("announce", ["all", "digest", "none"])
async def test_a_back_fill_says_what_the_rule_book_wants(ruled: Ruled, announce: str) -> None:
    rng = random.Random(5)
    users = [f"learner-{number}" for number in range(8)]
    for user in users:
        await ruled.apply(*history(user, rng))
    before = {row[:3] for row in fetch(ruled.url, UNLOCKS)}
    last = len(fetch(ruled.url, MESSAGES))
    await ruled.activate(harder(9, announce))
    await ruled.walk_on()
    after = {row[:3] for row in fetch(ruled.url, UNLOCKS)}
    gone, come = before - after, after - before
    assert {name for _, name, _ in gone} == {"lose_count", "lose_second", "lose_third"}
    assert {name for _, name, _ in come} == {"newcomer", "newer"}
    messages = [(t, json.loads(value)) for t, value in fetch(ruled.url, MESSAGES)[last:]]
    revoked = [event for _, event in messages if "unlock_event_id" in event]
    assert {(e["user_id"], e["achievement_id"], e["occurrence"]) for e in revoked} == gone
    assert len(revoked) == len(gone)
    assert {event["reason"] for event in revoked} == {"rules"}
    told = [event for topic, event in messages if topic.endswith("unlocked")]
    digests = [event for _, event in messages if "achievements" in event]
    named = {(e["user_id"], e["achievement_id"], e["occurrence"]) for e in told}
    in_digests = {
        (e["user_id"], each["achievement_id"], each["occurrence"])
        for e in digests
        for each in e["achievements"]
    }
    assert (named, in_digests) == {
        "all": (come, set()),
        "digest": (set(), come),
        "none": (set(), set()),
    }[announce]
    assert len(digests) == (len({user for user, _, _ in come}) if announce == "digest" else 0)
    assert all(event["backdated"] for event in told)
    assert not await differences(ruled)


async def test_a_back_fill_that_is_killed_five_times_forgets_nobody(ruled: Ruled) -> None:
    """And it unlocks nobody twice, while learners go on."""
    rng = random.Random(11)
    streams = {f"learner-{number:02}": history(f"learner-{number:02}", rng) for number in range(30)}
    for user, events in streams.items():
        await ruled.apply(*events)
        events[:] = history(user, rng)
    before = {row[:4] for row in fetch(ruled.url, UNLOCKS)}
    last = len(fetch(ruled.url, MESSAGES))
    await ruled.activate(harder(9, "all"))
    killed = 0
    while killed < 5:
        step = asyncio.create_task(walk_of(ruled, 5).step())
        await ruled.apply(*take([streams[user] for user in rng.sample(sorted(streams), 3)], rng))
        await asyncio.sleep(rng.random() * 0.02)
        killed += not step.done()
        await kill(step)
    await ruled.walk_on()
    after = {row[:4] for row in fetch(ruled.url, UNLOCKS)}
    events = [json.loads(value) for _, value in fetch(ruled.url, MESSAGES)[last:]]
    ids = [event["event_id"] for event in events]
    assert len(ids) == len(set(ids))
    lost = {event["unlock_event_id"] for event in events if "unlock_event_id" in event}
    told = {event["event_id"] for event in events if "unlock_event_id" not in event}
    assert told - lost == {unlock_event_id(*row) for row in after - before}
    assert lost - told == {unlock_event_id(*row) for row in before - after}
    moved = "SELECT count(*) FROM learner WHERE rule_book = 9 AND rule_book_at = version"
    assert fetch(ruled.url, moved) == [(len(streams),)]
    backdated = (
        "SELECT DISTINCT backdated FROM achievement_unlock WHERE achievement_id = 'newcomer'"
    )
    assert (True,) in fetch(ruled.url, backdated)
    assert not await differences(ruled)


async def test_verify_finds_a_bucket_and_an_unlock_that_should_not_be(ruled: Ruled) -> None:
    await ruled.apply(*(completed("ada", completed_at=f"2026-03-0{d}T10:00:00Z") for d in (2, 3)))
    execute(ruled.url, "UPDATE learner_counter SET n = 7 WHERE key = 'within=day'")
    execute(
        ruled.url,
        "INSERT INTO achievement_unlock SELECT (json_populate_record(u, "
        '\'{"achievement_id": "lose_distinct"}\')).* FROM achievement_unlock AS u LIMIT 1',
    )
    found = {(each.part, each.key, each.stored, each.derived) for each in await differences(ruled)}
    assert found == {
        ("bucket", "within=day 2026-03-02", 7, 1),
        ("bucket", "within=day 2026-03-03", 7, 1),
        ("unlock", "lose_distinct", "held", None),
    }
