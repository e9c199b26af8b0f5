"""The walk to a new rule book, beside traffic and killed anywhere; verify finds what is wrong."""

from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

import pytest
from structlog.testing import capture_logs

from progress_worker.domain.compare import Difference
from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import FatalError, LearnerChangedError, TransientError
from progress_worker.storage.database import connect
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rulebooks
from progress_worker.storage.write.walks import WalkMovedError
from progress_worker.walks.verifying import Verify
from progress_worker.walks.walk import Step, Walk
from tests.harness.events import CATALOGUE, Event, completed, records
from tests.harness.storage import Projection, Rows, execute, fetch, progress, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command

pytestmark = pytest.mark.integration

Project = Callable[[Database], AbstractAsyncContextManager[Projection]]

#: The newer book has another filter, target and threshold, one achievement less and three more.
NEWER = (
    (
        CATALOGUE.replace(
            "version: 7", "version: 8\nlevels: {intermediate: {exercises: 2, mean_grade: 60}}"
        )
        .replace("at_least: 2, difficulty: hard", "at_least: 1, difficulty: hard, max_hints: 5")
        .replace("id: wide", "id: wider")
    )
    + """
  - {id: easy_one, name: Easy one, description: An easy one., category: effort, tier: bronze,
     points: 5, icon: leaf, rule: {exercises_completed: {at_least: 1, difficulty: easy}}}
  - {id: two_easy, name: Two easy ones, description: Two easy ones., category: effort, tier: bronze,
     points: 5, icon: leaves, rule: {exercises_completed: {at_least: 2, difficulty: easy}}}
"""
)
#: A book that releases of format 1 cannot read.
WITH_TOPICS = (
    NEWER.replace("version: 8", "version: 9") + "topics: {algorithms: {name: Algorithms}}\n"
)
UNLOCKS = "SELECT user_id, achievement_id FROM achievement_unlock"


@dataclass
class Ruled:
    """A worker's parts, and the walk to the newest rule book."""

    parts: Projection
    url: str

    @property
    def walk(self) -> Walk:
        return self.parts.walk

    async def activate(self, text: str) -> None:
        await activate(self.parts, text)

    async def apply(self, *events: Event) -> None:
        """Apply them as a partition consumer does: again, if a learner was changed meanwhile."""
        apply = partial(self.parts.apply, records(*events))
        await self.parts.retry.run("ingest", apply)

    async def walk_on(self, most: int = 10_000) -> None:
        """Take steps until a pass finds nobody to move."""
        worked = 1
        while worked and most:
            worked, finished = 0, False
            while not finished and most:
                step = await self.parts.retry.run("walk", self.walk.step)
                worked, finished, most = worked + step.worked, step.finished, most - 1


async def activate(parts: Projection, text: str) -> None:
    """Do what the start of a worker with that rule book does; others notice it."""
    own = RuleBooks(read_rule_book(text))
    async with connect(parts.engine) as connection:
        await rulebooks.settle(connection, own, text)
        await rulebooks.refresh(connection, parts.books)
        await connection.commit()


@pytest.fixture
async def ruled(projected: Projection, migrated_database: Database) -> Ruled:
    return Ruled(projected, migrated_database.owner_url)


def history(user_id: str, rng: random.Random) -> list[Event]:
    """Some exercises, a regrade and a revocation."""
    events = [
        completed(
            user_id,
            difficulty=rng.choice(["easy", "medium", "hard"]),
            topic=rng.choice(["algorithms", "databases", "networks"]),
            grade=rng.choice([None, 40, 65, 90]),
            hints_used=rng.choice([0, 7]),
            completed_at=f"2026-03-{rng.randint(1, 9):02}T10:00:00Z",
        )
        for _ in range(rng.randint(1, 9))
    ]
    events.append(events[0] | {"revision": 1, "grade": 100})
    if len(events) > 5:
        events.append(events[1] | {"revision": 1, "revoked": True})
    return events


def derived(url: str) -> dict[str, Rows]:
    """Every row, without what the order of arrival decides and the book of an unlock."""
    found = progress(url, any_order=True)
    found["achievement_unlock"] = sorted(fetch(url, UNLOCKS))
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_the_end_is_that_of_the_newer_book_alone(
    ruled: Ruled, twin: Ruled, seed: int
) -> None:
    """Live events, the walk and kills in any interleaving; nobody is unlocked twice."""
    rng = random.Random(seed)
    users = [f"learner-{number}" for number in range(12)]
    streams = {user: history(user, rng) for user in users}
    events = [event for user in users for event in streams[user]]
    await twin.activate(NEWER)
    await twin.apply(*events)

    waiting = [list(stream) for stream in streams.values()]
    for _ in range(len(events) // 3):
        await ruled.apply(*take(waiting, rng))
    await ruled.activate(NEWER)
    while any(waiting):
        match rng.randrange(3):
            case 0:
                await ruled.apply(*take(waiting, rng))
            case 1:
                step = asyncio.create_task(walk_of(ruled, rng.randint(1, 4)).step())
                await asyncio.sleep(rng.random() * 0.03)
                await kill(step)
            case _:
                step = asyncio.create_task(walk_of(ruled, rng.randint(1, 4)).step())
                await ruled.apply(*take(waiting, rng))
                await asyncio.wait({step})
                error = step.exception()
                assert error is None or isinstance(error, TransientError)
    await ruled.walk_on()

    found, expected = derived(ruled.url), derived(twin.url)
    for table in found.keys() - {"achievement_unlock", "skill_level"}:
        assert found[table] == expected[table], table
    # Either book may have unlocked something before a revocation took its completion back.
    steady = {user for user in users if not any("revoked" in each for each in streams[user])}
    assert monotone(found, steady) == monotone(expected, steady) != set()
    assert levels(ruled.url) == levels(twin.url)
    announced = fetch(ruled.url, "SELECT value FROM outbox ORDER BY id")
    ids = [json.loads(value)["event_id"] for (value,) in announced]
    assert len(ids) == len(set(ids)) == len(found["achievement_unlock"])
    assert not await differences(ruled)


def monotone(rows: dict[str, Rows], users: set[str]) -> set[tuple[str, str]]:
    """The unlocks of these learners by rules that a further exercise cannot break."""
    names = {"first", "three", "two_days", "easy_one", "two_easy", "wider"}
    return {
        (user, name) for user, name in rows["achievement_unlock"] if user in users and name in names
    }


async def kill(task: asyncio.Task[Step]) -> None:
    """End it wherever it is; whatever it leaves open shows at once, and not in a later test."""
    task.cancel()
    await asyncio.wait({task})
    gc.collect()


def take(waiting: list[list[Event]], rng: random.Random) -> list[Event]:
    """The next events of some learners."""
    some = [stream for stream in rng.sample(waiting, 3) if stream]
    return [stream.pop(0) for stream in some]


def levels(url: str) -> Rows:
    return sorted(
        fetch(url, "SELECT user_id, topic, level FROM skill_level WHERE level <> 'beginner'")
    )


def walk_of(ruled: Ruled, page: int) -> Walk:
    """The walk of another worker, which begins with small pages."""
    passenger = ruled.walk.passenger
    return Walk(ruled.parts.engine, passenger, time_limit_seconds=20, page_learners=page)


@pytest.fixture
async def twin(
    postgres: Postgres, migrated_template: str, project: Project
) -> AsyncIterator[Ruled]:
    """Another database, in which the newer rule book is the only one."""
    name = f"twin_{random.SystemRandom().getrandbits(48):x}"
    database = postgres.create_database(name, migrated_template)
    try:
        async with project(database) as parts:
            yield Ruled(parts, database.owner_url)
    finally:
        postgres.drop_database(name)


async def differences(ruled: Ruled) -> list[Difference]:
    found: list[Difference] = []
    walk = Walk(ruled.parts.engine, Verify(ruled.parts.books, found.append), time_limit_seconds=20)
    await walk.start()
    while not (await walk.step()).finished:
        pass
    return found


async def test_a_learner_is_folded_by_the_own_book_until_the_walk_comes(ruled: Ruled) -> None:
    """So nobody is unlocked early by the new rules, and the walk backdates what was earned."""
    first = completed("ada", difficulty="easy", completed_at="2026-03-01T10:00:00Z")
    await ruled.apply(first)
    await ruled.activate(NEWER)
    await ruled.apply(completed("ada", difficulty="easy", completed_at="2026-03-05T10:00:00Z"))
    assert fetch(ruled.url, UNLOCKS) == [("ada", "first")]
    await ruled.apply(completed("bob", difficulty="easy"))
    assert ("bob", "easy_one") in fetch(ruled.url, UNLOCKS)
    await ruled.walk_on()
    unlocked = fetch(
        ruled.url,
        "SELECT achievement_id, rule_version, backdated, triggering_event_id::text"
        " FROM achievement_unlock WHERE user_id = 'ada' ORDER BY rule_version, achievement_id",
    )
    assert unlocked[:2] == [
        ("first", 7, False, first["event_id"]),
        ("easy_one", 8, True, first["event_id"]),
    ]
    await ruled.apply(completed("ada", difficulty="easy"))
    assert not await differences(ruled)


async def test_a_cached_learner_who_was_moved_is_loaded_again(ruled: Ruled) -> None:
    await ruled.apply(completed("ada", difficulty="easy"))
    await ruled.activate(NEWER)
    await ruled.walk_on()
    with pytest.raises(LearnerChangedError):
        await ruled.parts.apply(records(completed("ada", difficulty="easy")))
    await ruled.apply(completed("ada", difficulty="easy"))
    assert ("ada", "two_easy") in fetch(ruled.url, UNLOCKS)


async def test_a_learner_whom_an_older_release_saved_is_derived_by_the_walk(ruled: Ruled) -> None:
    """Such a release has other filters and does not count passed exercises."""
    events = [completed("ada", difficulty="hard") for _ in range(2)]
    await ruled.apply(*events)
    before = derived(ruled.url)
    execute(ruled.url, "UPDATE learner SET version = version + 1, counters = '{\"x=1\": 3}'")
    execute(ruled.url, "UPDATE learner_day SET passed = 0")
    execute(ruled.url, "UPDATE learner_total SET passed = 0")
    ruled.parts.cache.clear()
    await ruled.apply(events[0])  # a repeat, which saves nothing
    assert (await ruled.walk.step()).changed == 1
    assert derived(ruled.url) == before
    assert (await ruled.walk.step()).worked == 0


async def test_nothing_is_counted_halfway_for_such_a_learner(ruled: Ruled) -> None:
    await ruled.apply(completed("ada", difficulty="hard"))
    execute(ruled.url, "UPDATE learner SET version = version + 1, counters = '{\"x=1\": 3}'")
    ruled.parts.cache.clear()
    await ruled.apply(completed("ada", difficulty="hard"))
    assert fetch(ruled.url, "SELECT counters, rule_book FROM learner") == [({}, None)]
    assert ("ada", "hard_ones") not in fetch(ruled.url, UNLOCKS)
    await ruled.walk_on()
    assert ("ada", "hard_ones") in fetch(ruled.url, UNLOCKS)


async def test_a_recalculated_topic_completes_no_learner(ruled: Ruled) -> None:
    """The other topics keep levels by whatever thresholds an older release had."""
    await ruled.apply(completed("ada"))
    execute(ruled.url, "UPDATE learner SET version = version + 1")
    wrong = "INSERT INTO skill_level VALUES ('ada', 'logic', 'expert', 'beginner', now())"
    execute(ruled.url, wrong)
    await ruled.parts.recalculation.recalculate("ada", "algorithms")
    assert fetch(ruled.url, "SELECT rule_book FROM learner") == [(None,)]
    await ruled.walk_on()
    assert fetch(ruled.url, "SELECT rule_book FROM learner") == [(7,)]
    assert levels(ruled.url) == []


async def test_the_end_of_a_pass_is_not_the_end_of_the_next(ruled: Ruled) -> None:
    await ruled.apply(*(completed(f"learner-{number}") for number in range(7)))
    walk = walk_of(ruled, 3)
    steps = [await walk.step() for _ in range(3)]
    assert [(step.examined, step.worked, step.finished) for step in steps] == [
        (3, 0, False),
        (3, 0, False),
        (1, 0, True),
    ]
    await ruled.activate(NEWER)
    again = [await walk.step() for _ in range(3)]
    assert [(step.worked, step.finished) for step in again] == [(3, False), (3, False), (1, True)]
    state = await walk.state()
    assert state is not None
    assert (state.rule_book, state.examined, state.changed) == (8, 7, 7)


async def test_two_leaders_share_no_page(ruled: Ruled) -> None:
    await ruled.apply(*(completed(f"learner-{number}") for number in range(9)))
    await ruled.activate(NEWER)
    one, other = walk_of(ruled, 4), walk_of(ruled, 4)
    await one.start()
    results = await asyncio.gather(one.step(), other.step(), return_exceptions=True)
    failed = [each for each in results if isinstance(each, BaseException)]
    assert all(isinstance(each, WalkMovedError | LearnerChangedError) for each in failed)
    await ruled.walk_on()
    announced = [json.loads(v)["event_id"] for (v,) in fetch(ruled.url, "SELECT value FROM outbox")]
    assert len(announced) == len(set(announced))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CATALOGUE.replace("points: 10", "points: 11"), "Rule book 7 was active before with other"),
        (
            NEWER,
            "Rule book 8 cannot be read by the worker old/1 of release 0.0.9, which is running",
        ),
    ],
)
async def test_a_rule_book_is_refused_in_one_sentence(
    ruled: Ruled, text: str, sentence: str
) -> None:
    execute(ruled.url, "INSERT INTO running_worker VALUES ('old/1', '0.0.9', 0)")
    with pytest.raises(FatalError, match=f"^{sentence}.*[.]$"):
        await ruled.activate(text)
    assert fetch(ruled.url, "SELECT version FROM rule_book") == [(7,)]


async def test_a_worker_that_is_gone_refuses_nothing(ruled: Ruled) -> None:
    execute(
        ruled.url,
        "INSERT INTO running_worker VALUES ('old/1', '0.0.9', 0, now() - '61 s'::interval)",
    )
    await ruled.activate(NEWER)
    assert fetch(ruled.url, "SELECT version FROM rule_book ORDER BY 1") == [(7,), (8,)]


async def test_only_a_book_with_new_keys_needs_workers_that_can_read_them(ruled: Ruled) -> None:
    execute(ruled.url, "INSERT INTO running_worker VALUES ('old/1', '0.0.9', 1)")
    await ruled.activate(NEWER)
    with pytest.raises(FatalError, match=r"^Rule book 9 cannot be read by the worker old/1 of"):
        await ruled.activate(WITH_TOPICS)
    execute(ruled.url, "UPDATE running_worker SET reads_format = 2")
    await ruled.activate(WITH_TOPICS)
    stored = fetch(ruled.url, "SELECT version, format FROM rule_book ORDER BY version")
    assert stored == [(7, 1), (8, 1), (9, 2)]


async def settle_built_in(ruled: Ruled, own: RuleBooks, text: str) -> None:
    async with connect(ruled.parts.engine) as connection:
        await rulebooks.settle(connection, own, text, built_in=True)
        await connection.commit()


async def test_a_built_in_book_waits_for_the_last_older_worker(ruled: Ruled) -> None:
    for name in ("old/1", "old/2"):
        execute(ruled.url, f"INSERT INTO running_worker VALUES ('{name}', '0.0.9', 1)")
    own = RuleBooks(read_rule_book(WITH_TOPICS))
    gone = "UPDATE running_worker SET seen_at = now() - '61 s'::interval WHERE instance = '{}'"
    with capture_logs() as logged:
        await settle_built_in(ruled, own, WITH_TOPICS)
        assert (own.settled, own.waiting, own.active.version) == (True, True, 7)
        execute(ruled.url, gone.format("old/1"))
        await settle_built_in(ruled, own, WITH_TOPICS)
        assert (own.waiting, own.active.version) == (True, 7)
        execute(ruled.url, gone.format("old/2"))
        await settle_built_in(ruled, own, WITH_TOPICS)
        assert (own.waiting, own.active.version) == (False, 9)
    assert fetch(ruled.url, "SELECT version FROM rule_book ORDER BY 1") == [(7,), (9,)]
    waits = [each for each in logged if each["event"] == "rule_book_waits"]
    assert waits == [
        {
            "event": "rule_book_waits",
            "log_level": "warning",
            "version": 9,
            "active": 7,
            "instance": "old/1",
            "release": "0.0.9",
        }
    ]


async def test_a_book_of_the_same_version_ends_the_waiting(ruled: Ruled) -> None:
    """The worker goes on with the active one. Its next start is refused."""
    execute(ruled.url, "INSERT INTO running_worker VALUES ('old/1', '0.0.9', 1)")
    own = RuleBooks(read_rule_book(WITH_TOPICS))
    await settle_built_in(ruled, own, WITH_TOPICS)
    await ruled.activate(NEWER.replace("version: 8", "version: 9"))
    async with connect(ruled.parts.engine) as connection:
        await rulebooks.refresh(connection, own)
    assert (own.waiting, own.active.version) == (False, 9)
    assert own.active.digest != own.configured.digest
    with pytest.raises(FatalError, match=r"^Rule book 9 was active before with other content"):
        await settle_built_in(ruled, own, WITH_TOPICS)


async def test_a_built_in_book_cannot_wait_without_an_active_one(ruled: Ruled) -> None:
    execute(ruled.url, "INSERT INTO running_worker VALUES ('old/1', '0.0.9', 1)")
    execute(ruled.url, "DELETE FROM rule_book")
    with pytest.raises(FatalError, match=r"^Rule book 9 cannot be read by the worker old/1"):
        await settle_built_in(ruled, RuleBooks(read_rule_book(WITH_TOPICS)), WITH_TOPICS)


async def test_an_older_book_stays_readable_and_a_worker_with_it_uses_the_newest(
    ruled: Ruled,
) -> None:
    await ruled.apply(completed("ada"))
    await ruled.activate(NEWER)
    own = RuleBooks(read_rule_book(CATALOGUE))
    async with connect(ruled.parts.engine) as connection:
        await rulebooks.settle(connection, own, CATALOGUE)
        assert own.active.version == 8
        await rulebooks.fetch(connection, own, [7])
        with pytest.raises(FatalError, match=r"no such rule book: restore the table rule_book"):
            await rulebooks.fetch(connection, own, [99])
    assert isinstance(own.by_version[7], RuleBook)


async def test_a_book_of_a_later_release_stops_the_worker_in_one_sentence(ruled: Ruled) -> None:
    execute(
        ruled.url,
        "INSERT INTO rule_book VALUES (9, 'default', 'x', 2, 'version: 9\nboosters: []')",
    )
    with pytest.raises(FatalError, match=r"^This release cannot read rule book 9 .*: update it"):
        await ruled.activate(CATALOGUE)


DAMAGE = {
    "total": "UPDATE learner_total SET hints_used = hints_used + 1",
    "day": "DELETE FROM learner_day WHERE topic = 'algorithms'",
    "active days": "UPDATE learner SET active_days = '{[2026-01-01,2026-01-03)}'",
    "level": "INSERT INTO skill_level VALUES ('ada', 'logic', 'expert', 'beginner', now())",
    "counter": """UPDATE learner SET counters = '{"difficulty=hard": 9}'""",
    "unlock": "DELETE FROM achievement_unlock WHERE achievement_id = 'first'",
    "timezone": "UPDATE learner SET timezone = NULL",
    "excused days": "UPDATE learner SET excused_days = '{[2026-01-01,2026-01-03)}'",
    "travelled days": "UPDATE learner SET travel_days = '{[2026-03-01,2026-03-02)}'",
}


@pytest.mark.parametrize("part", DAMAGE)
async def test_verify_finds_what_is_wrong_and_a_recalculation_mends_it(
    ruled: Ruled, part: str
) -> None:
    await ruled.apply(
        completed("ada", timezone="Europe/Berlin"), completed("ada", difficulty="hard")
    )
    assert not await differences(ruled)
    execute(ruled.url, DAMAGE[part])
    found = await differences(ruled)
    assert {each.part for each in found} == {part}
    assert {each.user_id for each in found} == {"ada"}
    await ruled.parts.recalculation.recalculate("ada")
    assert not await differences(ruled)


def test_verify_by_its_command(deployment: Deployment) -> None:
    url = deployment.database.owner_url
    variables = deployment.environment()

    def verify(*arguments: str) -> tuple[int, list[str]]:
        done = run_command(variables, "verify", *arguments)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout.splitlines()

    asyncio.run(fill(deployment))
    assert verify("--all") == (0, ["20 learners compared in 0 s: 0 differ."])
    assert verify("--user", "learner-3")[0] == 0
    execute(url, "UPDATE learner_total SET hints_used = 99 WHERE user_id = 'learner-3'")
    status, lines = verify("--all", "--json")
    *found, figures = map(json.loads, lines)
    assert status == 2
    assert [(each["user_id"], each["part"]) for each in found] == [("learner-3", "total")]
    assert (figures["compared"], figures["different"], figures["truncated"]) == (20, 1, 0)
    assert verify("--user", "learner-3")[0] == 2
    assert verify("--user", "learner-4")[0] == 0
    assert verify("--sample", "100%", "--resume")[0] == 2
    assert verify("--sample", "0%")[0] == verify()[0] == verify("--all", "--user", "x")[0] == 2
    execute(url, "UPDATE learner SET version = version + 1 WHERE user_id = 'learner-3'")
    assert verify("--all") == (
        0,
        [
            "19 learners compared in 0 s: 0 differ.",
            "1 were not compared: no rule book has derived them yet.",
        ],
    )


async def fill(deployment: Deployment) -> None:
    async with projection(deployment.settings()) as parts:
        await parts.apply(records(*(completed(f"learner-{number}") for number in range(20))))


async def test_a_running_worker_takes_up_a_newer_book_and_moves_everybody(
    deployment: Deployment,
) -> None:
    """The second worker brings the book; the one that leads runs the walk."""
    url = deployment.database.owner_url
    newer = deployment.directory / "newer.yaml"
    newer.write_text(NEWER)
    async with deployment.worker() as one:
        await deployment.publish(*(completed(f"u{n}", difficulty="easy") for n in range(30)))
        await wait_until(partial(_count, url, UNLOCKS, 30), "everybody has the first badge")
        async with deployment.worker(CATALOGUE_FILE=str(newer)):
            await wait_until(partial(_count, url, UNLOCKS, 60), "everybody has the new badge")
            await deployment.publish(completed("u3", difficulty="easy"))
            await wait_until(partial(_count, url, UNLOCKS, 62), "the old worker knows the book")
            assert await one.metric("progress_rule_book_version") == 8
            finished = partial(
                one.metric, "progress_walk_finished_timestamp_seconds", walk="rule_book"
            )
            await wait_until(partial(_is_set, finished), "both workers show the end of the walk")
    assert fetch(url, "SELECT DISTINCT rule_book, rule_book_at = version FROM learner") == [
        (8, True)
    ]


async def _count(url: str, query: str, wanted: int) -> bool:
    return len(fetch(url, query)) == wanted


async def _is_set(metric: Callable[[], Awaitable[float]]) -> bool:
    return await metric() > 0


async def test_a_page_of_nobody_in_the_sample_reports_nothing_again(ruled: Ruled) -> None:
    users = [f"learner-{number}" for number in range(20)]
    await ruled.apply(*(completed(user) for user in users))
    execute(ruled.url, "UPDATE learner_total SET hints_used = hints_used + 1")
    found: list[Difference] = []
    verify = Verify(ruled.parts.books, found.append, share=0.5)
    sample = [user for user in users if verify.wants(user, None)]
    assert 0 < len(sample) < len(users)
    walk = Walk(ruled.parts.engine, verify, time_limit_seconds=20, page_learners=1)
    await walk.start()
    while not (await walk.step()).finished:
        pass
    assert verify.figures["compared"] == len(sample)
    assert len(found) == len(set(map(str, found)))
    assert {difference.user_id for difference in found} == set(sample)
