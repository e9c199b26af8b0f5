"""Preferences on a real worker: the highest revision counts, whatever stands beside it."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any, LiteralString

import psycopg
import pytest

from progress_worker.errors import LearnerChangedError
from progress_worker.storage.rows import PREFERENCE
from progress_worker.storage.schema.tables import LEARNER_TABLES, learner_preference
from progress_worker.walks.housekeeping import Housekeeping
from tests.harness.events import CATALOGUE, completed, excuse, preferences, records
from tests.harness.storage import execute, fetch, progress, projection
from tests.harness.telling import Fair
from tests.harness.waiting import wait_until
from tests.integration.test_excuses import on, ruled, save_first, waits
from tests.integration.test_walk import differences

pytestmark = pytest.mark.integration

STORED = f"SELECT {', '.join(PREFERENCE.columns)} FROM learner_preference ORDER BY 1"
CHOSEN: LiteralString = (
    "SELECT revision, boards, display_name, gamification, goal_measure, goal_target, goal_by::text"
    " FROM learner_preference WHERE user_id = 'ada'"
)
DEFAULTS = ("anonymous", None, "on", None, None, None)
ALL_OF_IT: dict[str, Any] = {
    "boards": "named",
    "display_name": "Ada",
    "gamification": "quiet",
    "goal": {"measure": "minutes", "target": 90, "by": "2026-12-31"},
}


def without_preferences(found: dict[str, Any]) -> dict[str, Any]:
    return {table: rows for table, rows in found.items() if table != learner_preference.name}


async def test_the_whole_record_of_the_highest_revision_counts(fair: Fair) -> None:
    await fair.tell(preferences("ada", 3, **ALL_OF_IT))
    assert fair.rows(CHOSEN) == [(3, "named", "Ada", "quiet", "minutes", 90, "2026-12-31")]
    ((version,),) = fair.rows("SELECT version FROM learner")
    await fair.tell(
        preferences("ada", 3, gamification="off"), preferences("ada", 2, boards="hidden")
    )
    assert fair.rows(CHOSEN) == [(3, "named", "Ada", "quiet", "minutes", 90, "2026-12-31")]
    assert fair.rows("SELECT version FROM learner") == [(version,)]
    await fair.tell(preferences("ada", 4))
    assert fair.rows(CHOSEN) == [(4, *DEFAULTS)]
    assert fair.rows("SELECT version FROM learner") == [(version + 1,)]


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_with_repeats_and_completions_gives_the_same(fair: Fair, seed: int) -> None:
    rng = random.Random(seed)
    choices = ("on", "quiet", "off")
    said = [
        preferences(user, revision, gamification=rng.choice(choices), display_name=f"N{revision}")
        for user in ("ada", "bob")
        for revision in range(4)
    ]
    last = dict.fromkeys(("ada", "bob"), said[3]) | {"bob": said[7]}
    done = [on(day, user) for user in ("ada", "bob") for day in (1, 2, 3, 6)]
    facts: list[Any] = [*said, *done, excuse("ada", "2026-03-05")]
    facts += rng.choices(facts, k=8)
    rng.shuffle(facts)
    for fact in facts:
        await fair.tell(fact)
        if rng.random() < 0.2:
            fair.parts.cache.clear()
    found = progress(fair.url, any_order=True)
    revisions = fair.rows("SELECT user_id, revision, display_name FROM learner_preference")
    assert sorted(revisions) == [("ada", 3, "N3"), ("bob", 3, "N3")]
    assert {row[0] for row in found["learner"]} == {"ada", "bob"}
    assert not await differences(ruled(fair))
    for wire in last.values():
        await fair.tell(wire)
    assert progress(fair.url, any_order=True) == found


async def test_preferences_may_be_the_first_fact_of_a_learner(fair: Fair) -> None:
    await fair.tell(preferences("ada", gamification="off"))
    ((days, version, first),) = fair.rows(
        "SELECT active_days::text, version, first_version FROM learner"
    )
    assert days == "{}"
    assert version == first > 1_700_000_000_000_000
    await fair.tell(*(on(day) for day in (1, 2, 3)))
    assert fair.unlocked() == ["first", "three", "two_days"]
    assert not await differences(ruled(fair))


async def test_beside_a_first_completion_that_is_not_committed(fair: Fair) -> None:
    async with await psycopg.AsyncConnection.connect(fair.url, connect_timeout=10) as other:
        await save_first(other, on(3))
        setting = asyncio.create_task(fair.tell(preferences("ada", gamification="off")))
        await wait_until(partial(waits, fair.url), "the command waits for the learner's row")
        await other.commit()
        await setting
    assert fair.rows("SELECT active_days::text FROM learner") == [("{[2026-03-03,2026-03-04)}",)]
    assert fair.rows(CHOSEN) == [(1, "anonymous", None, "off", None, None, None)]


async def test_a_first_completion_beside_preferences_that_are_not_committed(fair: Fair) -> None:
    batch = records(on(3))
    async with await psycopg.AsyncConnection.connect(fair.url, connect_timeout=10) as other:
        # The command has the learner's row by then, and waits for this table.
        await other.execute("LOCK TABLE learner_preference IN SHARE MODE")
        setting = asyncio.create_task(fair.tell(preferences("ada", gamification="off")))
        await wait_until(partial(waits, fair.url), "the command waits with the learner's row")
        applying = asyncio.create_task(fair.parts.apply(batch))
        await wait_until(partial(_two_wait, fair.url), "the batch waits for the learner's row")
    await setting
    with pytest.raises(LearnerChangedError):
        await applying
    await fair.parts.apply(batch)
    (message,) = fair.published()
    assert message["quiet"] is True
    assert fair.rows("SELECT count(*) FROM completion") == [(1,)]


async def _two_wait(url: str) -> bool:
    return len(fetch(url, "SELECT FROM pg_locks WHERE NOT granted")) == 2


async def test_two_workers_set_preferences_of_one_learner_at_once(fair: Fair) -> None:
    async with projection(fair.deployment.settings()) as parts:
        workers = [fair, Fair(fair.deployment, parts)]
        for number in range(5):
            user = f"learner-{number}"
            await asyncio.gather(
                *(
                    worker.tell(*(preferences(user, nth + 2 * turn) for turn in range(3)))
                    for nth, worker in enumerate(workers)
                ),
                fair.tell(on(2, user)),
            )
    assert fair.rows("SELECT revision, count(*) FROM learner_preference GROUP BY 1") == [(5, 5)]
    assert fair.rows("SELECT count(*) FROM completion") == [(5,)]
    assert not await differences(ruled(fair))


async def test_nothing_but_the_preference_and_the_version_changes(fair: Fair) -> None:
    await fair.tell(*(on(day) for day in (1, 2, 3, 6)), excuse("ada", "2026-03-05"))
    before = progress(fair.url)
    await fair.tell(preferences("ada", **(ALL_OF_IT | {"gamification": "on"})))
    assert without_preferences(progress(fair.url)) == without_preferences(before)
    assert not await differences(ruled(fair))


async def test_recalculation_walk_and_retention_keep_preferences(fair: Fair) -> None:
    old = [completed("ada", completed_at=f"2020-03-{day:02}T10:00:00Z") for day in (1, 2, 3)]
    await fair.tell(*old, on(3), preferences("ada", **ALL_OF_IT))
    before = fair.rows(STORED.encode())
    await fair.parts.recalculation.recalculate("ada")
    walked = ruled(fair)
    await walked.activate(CATALOGUE.replace("version: 7", "version: 8"))
    await walked.walk_on()
    assert fair.rows("SELECT rule_book FROM learner") == [(8,)]
    execute(fair.url, "UPDATE completion SET stored_at = completed_at")
    settings = fair.deployment.settings(COMPLETION_RETENTION_DAYS="366")
    await Housekeeping(settings, fair.parts.engine, fair.parts.metrics).step()
    assert fair.rows("SELECT count(*) FROM completion") == [(1,)]
    assert fair.rows(STORED.encode()) == before


async def test_unlocks_carry_quiet_as_the_learner_has_chosen_by_then(fair: Fair) -> None:
    await fair.tell(on(1))
    await fair.tell(preferences("ada", 1, gamification="quiet"), on(2))
    await fair.tell(preferences("ada", 2, gamification="off"), on(3))
    await fair.tell(preferences("ada", 3), *(on(3, topic=topic) for topic in ("b", "c")))
    said = {message["achievement_id"]: message["quiet"] for message in fair.published()}
    assert said == {"first": False, "two_days": True, "three": True, "wide": False}


@pytest.mark.parametrize("announce", ["all", "digest"])
async def test_what_a_walk_unlocks_is_quiet_too(fair: Fair, announce: str) -> None:
    await fair.tell(on(1), on(1, "bob"), preferences("bob", gamification="quiet"))
    sent = len(fair.published())
    walked = ruled(fair)
    more = (
        "  - {id: one, name: One, description: Again., category: milestones, tier: bronze,\n"
        "     points: 1, icon: star, rule: {exercises_completed: {at_least: 1}}}\n"
    )
    book = CATALOGUE.replace("version: 7", "version: 8") + more + f"announce: {announce}\n"
    await walked.activate(book)
    await walked.walk_on()
    said = {message["user_id"]: message["quiet"] for message in fair.published()[sent:]}
    assert said == {"ada": False, "bob": True}


async def test_a_batch_makes_no_more_statements_for_quiet_learners(fair: Fair) -> None:
    """Neither for a learner who is loaded nor for one who is cached."""
    counts = []
    for user, chosen in (("ada", []), ("bob", [preferences("bob", gamification="quiet")])):
        await fair.tell(on(1, user), *chosen)
        fair.parts.cache.clear()
        counts.append([await statements(fair, on(day, user)) for day in (2, 3)])
    assert counts[0] == counts[1]


async def statements(fair: Fair, event: dict[str, Any]) -> int:
    """How many statements the worker sends to Postgres for a batch of this event."""
    sent: list[object] = []
    original = psycopg.AsyncConnection.execute

    async def counting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(query)
        return await original(self, query, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncConnection, "execute", counting)
        await fair.tell(event)
    assert sent
    return len(sent)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("A", "A"),
        ("x" * 40, "x" * 40),
        ("  Ana María ", "Ana María"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("\U0001f98a fox", "\U0001f98a fox"),
        ("נעמי", "נעמי"),
    ],
)
async def test_display_names_are_kept_in_one_form(fair: Fair, name: str, stored: str) -> None:
    await fair.tell(preferences("ada", display_name=name))
    assert fair.rows("SELECT display_name FROM learner_preference") == [(stored,)]


@pytest.mark.parametrize(
    ("reason", "field", "changes"),
    [
        ("schema_violation", "display_name", {"display_name": ""}),
        ("schema_violation", "display_name", {"display_name": "  "}),
        ("schema_violation", "display_name", {"display_name": "x" * 41}),
        ("schema_violation", "display_name", {"display_name": "\ufb2c" * 20}),
        ("schema_violation", "display_name", {"display_name": "a\u202eb"}),
        ("schema_violation", "display_name", {"display_name": "a\u2066b"}),
        ("schema_violation", "display_name", {"display_name": "a\u200bb"}),
        ("schema_violation", "display_name", {"display_name": "a\u2028b"}),
        ("schema_violation", "display_name", {"display_name": "a\x00b"}),
        ("schema_violation", "display_name", {"display_name": "a\x7fb"}),
        ("schema_violation", "display_name", {"display_name": 7}),
        ("invalid_json", "", {"display_name": "a\ud800b"}),
        ("schema_violation", "boards", {"boards": "friends"}),
        ("schema_violation", "gamification", {"gamification": "loud"}),
        ("schema_violation", "goal", {"goal": {"measure": "minutes"}}),
        ("schema_violation", "goal", {"goal": {"measure": "minutes", "target": 0}}),
        ("schema_violation", "goal", {"goal": {"measure": "grades", "target": 1}}),
        (
            "schema_violation",
            "goal.by",
            {"goal": {"measure": "minutes", "target": 1, "by": "2026-03-18"}},
        ),
        ("schema_violation", "revision", {"revision": -1}),
        ("schema_violation", "revision", {"revision": None}),
        ("time_out_of_range", "issued_at", {"issued_at": "2099-01-01T00:00:00Z"}),
        ("time_out_of_range", "issued_at", {"issued_at": "1999-01-01T00:00:00Z"}),
    ],
)
async def test_what_cannot_be_read_is_a_dead_letter(
    fair: Fair, reason: str, field: str, changes: dict[str, Any]
) -> None:
    wire = preferences("nobody", **changes)
    await fair.tell(wire)
    ((key, value, headers),) = fair.rows("SELECT key, value, headers FROM outbox")
    assert (bytes(key), bytes(value)) == (wire.key, wire.value)
    said = dict(headers)
    assert said["dlq.reason"] == reason
    assert field in said["dlq.message"]
    assert fair.rows("SELECT FROM learner") == []


def test_preferences_of_a_learner_are_with_the_learner() -> None:
    """So that Citus puts them on the same node."""
    assert learner_preference in LEARNER_TABLES
