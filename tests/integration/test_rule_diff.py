"""`rules diff` says what the walk then does, and writes nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.skills import RANK
from progress_worker.domain.streak_reading import read_daily, read_weekly
from progress_worker.errors import FatalError
from progress_worker.storage.database import connect_for
from progress_worker.storage.write.learners import load_whole
from progress_worker.walks.housekeeping import Housekeeping
from progress_worker.walks.rule_diff import Affected, Direction, RuleDiff, Totals
from tests.harness.events import CATALOGUE, completed, excuse, records
from tests.harness.hostile import alter
from tests.harness.storage import Projection, Rows, execute, fetch, projection
from tests.harness.worker import Deployment, run_command
from tests.integration.test_walk import NEWER, Ruled, history

pytestmark = pytest.mark.integration

OLD, NOW = "2020-03-02T10:00:00+01:00", dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
USERS = [f"learner-{number}" for number in range(10)]
#: All their completions are deleted; some; an older release saved them; they travelled.
GONE, TRUNCATED, INCOMPLETE, TRAVELLER = USERS[6:]
WITH_FREEZES = NEWER.replace(
    "version: 8", "version: 8\nstreak: {freezes: {cap: 3, earn_every: 1}, week: {days: 2}}"
)
#: One that repeats with its target, one with each week, one with a window, and one that is lost.
REPEATED = (
    NEWER.replace("{id: three,", "{id: three, revocation: withdraw,").replace(
        "{at_least: 3}", "{at_least: 5}"
    )
    + """
  - {id: again, name: Again, description: Again., category: effort, tier: bronze, points: 5,
     icon: leaf, repeat: each_multiple, rule: {exercises_completed: {at_least: 2}}}
  - {id: weekly, name: Weekly, description: Weekly., category: effort, tier: bronze, points: 5,
     icon: leaf, repeat: each_week, rule: {exercises_completed: {at_least: 2}}}
  - {id: busy, name: Busy, description: Busy., category: effort, tier: bronze, points: 5,
     icon: leaf, rule: {exercises_completed: {at_least: 2, within: day}}}
announce: digest
"""
)
#: Nobody needs a count that is not stored, and achievements are withdrawn, closed and required.
STORED_ANSWERS = (
    CATALOGUE.replace("version: 7", "version: 8")
    .replace("{at_least: 3}", "{at_least: 2}")
    .replace("icon: map", "icon: map, status: closed")
    + """
  - {id: both, name: Both, description: Both., category: effort, tier: bronze, points: 5,
     icon: leaf, requires: [first, three], rule: {active_days: {at_least: 2}}}
"""
)


@dataclass
class Compared:
    """A worker's parts, and a deployment for commands."""

    deployment: Deployment
    parts: Projection

    @property
    def url(self) -> str:
        return self.deployment.database.owner_url

    @property
    def ruled(self) -> Ruled:
        return Ruled(self.parts, self.url)

    async def fill(self, rng: random.Random) -> None:
        """Learners of every kind."""
        old = [completed(name, completed_at=OLD) for name in (GONE, TRUNCATED) for _ in range(2)]
        await self.ruled.apply(*old)
        execute(self.url, "UPDATE completion SET stored_at = completed_at")
        settings = self.deployment.settings(COMPLETION_RETENTION_DAYS="366")
        await Housekeeping(settings, self.parts.engine, self.parts.metrics).step()
        self.parts.cache.clear()
        for user in USERS:
            if user not in {GONE, TRAVELLER}:
                await self.ruled.apply(*history(user, rng))
        away = [
            ("2026-03-02T18:00:00-10:00", "Pacific/Honolulu"),
            ("2026-03-04T18:00:00+13:00", "Pacific/Auckland"),
        ]
        for time, zone in away:
            await self.ruled.apply(completed(TRAVELLER, completed_at=time, timezone=zone))
        (command,) = records(excuse(USERS[0], "2026-03-02", "2026-03-04"))
        await self.parts.commands.handle(command)
        execute(
            self.url,
            "UPDATE learner SET version = version + 1, counters = '{}' WHERE user_id = %s",
            INCOMPLETE,
        )
        self.parts.cache.clear()

    async def diff(self, text: str, page_learners: int = 3) -> Totals:
        comparison = RuleDiff(
            self.parts.engine,
            self.parts.books,
            read_rule_book(text),
            now=NOW,
            time_limit_seconds=20,
            page_learners=page_learners,
        )
        while not comparison.finished:
            await comparison.step()
        return comparison.totals

    def command(self, file: Path, *options: str, **changes: str) -> CompletedProcess[str]:
        variables = self.deployment.environment(**changes)
        return run_command(variables, "rules", "diff", str(file), *options)

    async def streaks(self, book: RuleBook | None = None) -> dict[str, tuple[int, ...]]:
        """The streaks of all, read now by this or else their own rule book."""
        async with connect_for(self.parts.engine, 20) as connection:
            states = await load_whole(connection, self.parts.books, set(USERS))
        found: dict[str, tuple[int, ...]] = {}
        for user, state in states.items():
            policy = (book or self.parts.books.by_version[state.rule_book]).streak_policy
            daily = read_daily(state.streaks, policy, NOW.date())
            weekly = read_weekly(state.streaks, policy, NOW.date())
            found[user] = daily.current, daily.longest, weekly.current, weekly.longest
        return found


@pytest.fixture
async def compared(deployment: Deployment) -> AsyncIterator[Compared]:
    async with projection(deployment.settings()) as parts:
        yield Compared(deployment, parts)


def everything(url: str) -> dict[str, Rows]:
    """Every row of every table with its transaction, so that no write is missed."""
    tables = fetch(
        url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    return {
        name: sorted(fetch(url, f"SELECT t.xmin::text, t.* FROM {name} AS t"), key=repr)
        for (name,) in tables
    }


def unlocks(url: str) -> set[tuple[Any, ...]]:
    return set(fetch(url, "SELECT user_id, achievement_id, occurrence FROM achievement_unlock"))


def users_of(name: str, found: set[tuple[Any, ...]]) -> list[str]:
    """The learners who have an occurrence of that achievement among these unlocks."""
    return sorted({user for user, achievement, _ in found if achievement == name})


def levels(url: str) -> dict[tuple[str, str], int]:
    rows = fetch(url, "SELECT user_id, topic, level FROM skill_level")
    return {(user, topic): RANK[level] for user, topic, level in rows}


def directions(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """The learners for whom a value rises, and those for whom it falls."""
    users = sorted(before.keys() | after.keys())
    rises = [user for user in users if after.get(user, 0) > before.get(user, 0)]
    return rises, [user for user in users if after.get(user, 0) < before.get(user, 0)]


def samples(found: Direction) -> tuple[list[str], list[str]]:
    return found.rises.samples, found.falls.samples


@pytest.mark.parametrize("text", [NEWER, WITH_FREEZES, STORED_ANSWERS, REPEATED], ids=str.__len__)
@pytest.mark.parametrize("seed", range(3))
async def test_it_is_what_the_walk_then_does(compared: Compared, text: str, seed: int) -> None:
    await compared.fill(random.Random(seed))
    rows, unlocked = everything(compared.url), unlocks(compared.url)
    before, streaks = levels(compared.url), await compared.streaks()
    found = await compared.diff(text)
    assert everything(compared.url) == rows

    await compared.ruled.activate(text)
    await compared.ruled.walk_on()

    now_unlocked = unlocks(compared.url)
    gained, lost = now_unlocked - unlocked, unlocked - now_unlocked
    assert gained
    assert bool(lost) == (text == REPEATED)
    for name, change in found.achievements.items():
        assert change.gained.samples == users_of(name, gained), name
        assert change.lost.samples == users_of(name, lost), name
        assert change.stays == len(users_of(name, unlocked - lost)), name
    assert (found.gained, found.lost) == (len(gained), len(lost))
    assert {name for _, name, _ in gained | lost} <= found.achievements.keys()
    assert found.learners["gaining"] == len({user for user, *_ in gained})
    after = levels(compared.url)
    for topic in {topic for _, topic in before | after} | found.levels.keys():
        was, now = (
            {user: rank for (user, of), rank in ranks.items() if of == topic}
            for ranks in (before, after)
        )
        assert samples(found.levels[topic]) == directions(was, now), topic
    later = await compared.streaks()
    for place, name in enumerate(found.streaks):
        was, now = ({u: each[place] for u, each in of.items()} for of in (streaks, later))
        assert samples(found.streaks[name]) == directions(was, now), name
    figures = {"compared": 10, "truncated": 2, "incomplete": 1, "to_move": 10}
    assert figures.items() <= found.learners.items()


async def test_pages_change_nothing(compared: Compared) -> None:
    await compared.fill(random.Random(1))
    one, many = [await compared.diff(NEWER, size) for size in (1, 1_000)]
    assert vars(one) == vars(many)


async def test_learners_who_were_moved_already_gain_nothing(compared: Compared) -> None:
    """A diff with the active rule book is what is left for the walk to do."""
    await compared.fill(random.Random(1))
    await compared.ruled.activate(NEWER)
    assert (await compared.diff(NEWER)).gained > 0
    await compared.ruled.walk_on()
    left = await compared.diff(NEWER)
    assert (left.gained, left.learners["to_move"], left.learners["incomplete"]) == (0, 0, 0)


def test_ten_samples_are_kept_of_many() -> None:
    affected = Affected()
    for number in range(25):
        affected.add(f"learner-{number}")
    assert affected.learners == 25
    assert affected.samples == [f"learner-{number}" for number in range(10)]


@pytest.fixture
async def filled(compared: Compared) -> Compared:
    await compared.ruled.apply(*(completed(user, difficulty="easy") for user in ("ada", "bob")))
    return compared


def written(directory: Path, text: str) -> Path:
    path = directory / "new.yaml"
    path.write_text(text)
    return path


def shape(content: Any) -> Any:
    """The keys and types of a JSON value; of a list, those of its first item."""
    match content:
        case dict():
            return {name: shape(each) for name, each in content.items()}
        case list():
            return [shape(content[0])] if content else []
        case _:
            return type(content).__name__


AFFECTED = {"learners": "int", "samples": ["str"]}
NOBODY: dict[str, Any] = {"learners": "int", "samples": []}
UNCHANGED = {"rises": NOBODY, "falls": NOBODY}
SHAPE = {
    "rule_book": {
        "file": "str",
        "name": "str",
        "version": "int",
        "digest": "str",
        "achievements": "int",
    },
    "active_version": "int",
    "learners": {"compared": "int", "truncated": "int", "incomplete": "int"},
    "achievements": [
        {
            "id": "str",
            "in_rule_book": "bool",
            "gained": {"occurrences": "int"} | NOBODY,
            "lost": {"occurrences": "int"} | NOBODY,
            "stays": "int",
        }
    ],
    "levels": [{"topic": "str", "rises": AFFECTED, "falls": NOBODY}],
    "streaks": dict.fromkeys(
        ("current_days", "longest_days", "current_weeks", "longest_weeks"), UNCHANGED
    ),
    "backfill": {
        "learners": "int",
        "announce": "str",
        "messages": "int",
        "learners_per_second": "float",
        "seconds": "float",
    },
    "gained": "int",
    "lost": "int",
    "seconds": "float",
}


async def test_the_json_has_everything(filled: Compared, tmp_path: Path) -> None:
    lower = NEWER.replace("exercises: 2", "exercises: 1")
    done = filled.command(written(tmp_path, lower), "--json", WALK_LEARNERS_PER_SECOND="4")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert shape(content) == SHAPE
    assert content["learners"] == {"compared": 2, "truncated": 0, "incomplete": 0}
    assert content["active_version"] == 7
    by_id = {each["id"]: each for each in content["achievements"]}
    assert by_id["easy_one"]["gained"] == {
        "occurrences": 2,
        "learners": 2,
        "samples": ["ada", "bob"],
    }
    assert by_id["first"]["stays"] == 2
    assert content["levels"][0]["rises"]["samples"] == ["ada", "bob"]
    assert content["backfill"] == {
        "learners": 2,
        "announce": "all",
        "messages": content["gained"],
        "learners_per_second": 4.0,
        "seconds": 0.5,
    }
    assert content["gained"] == 4  # each an easy one, and a level


async def test_ids_can_be_hashed(filled: Compared, tmp_path: Path) -> None:
    done = filled.command(written(tmp_path, NEWER), "--json", "--hash-ids")
    hashes = [hashlib.sha256(user.encode()).hexdigest()[:12] for user in ("ada", "bob")]
    achievements = json.loads(done.stdout)["achievements"]
    found = {each["id"]: each["gained"]["samples"] for each in achievements}
    assert found["easy_one"] == hashes == ["fdee430d40bd", "81b637d8fcd2"]
    assert "ada" not in done.stdout


async def test_a_loss_is_status_3_unless_it_is_allowed(filled: Compared, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        NEWER.replace("{id: first,", "{id: first, revocation: withdraw,").replace(
            "{at_least: 1}", "{at_least: 2}"
        ),
    )
    done = filled.command(path, "--json")
    assert (done.returncode, done.stderr) == (3, "")
    content = json.loads(done.stdout)
    assert content["lost"] == 2
    assert content["achievements"][0]["lost"]["samples"] == ["ada", "bob"]
    assert content["backfill"]["messages"] == content["gained"] + 2
    assert filled.command(path, "--allow-loss").returncode == 0
    quiet = filled.command(path, "--json", "--allow-loss", EMIT_REVOCATIONS="false")
    assert json.loads(quiet.stdout)["backfill"]["messages"] == content["gained"]


async def test_people_read_a_table(filled: Compared, tmp_path: Path) -> None:
    execute(filled.url, "UPDATE learner SET completions_kept_from = now() WHERE user_id = 'bob'")
    done = filled.command(written(tmp_path, NEWER))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 learners compared" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith(" easy_one"))
    assert row.split() == ["easy_one", "2", "0", "0", "gain:", "ada,", "bob"]
    assert "wide (not in the rule book)" not in done.stdout  # nobody has it
    assert "The back-fill would move 2 learners in 0:00:00 or more, at 200 lea" in done.stdout
    assert "1 learners have deleted older completions: they may gain less" in done.stdout


@pytest.mark.parametrize(
    ("stored", "text", "sentence"),
    [
        (
            None,
            CATALOGUE.replace("points: 10", "points: 11"),
            "Rule book 7 was active before with other content: give the changed one a higher "
            "version.",
        ),
        (
            NEWER,
            CATALOGUE,
            "Rule book 7 is older than the active one, 8: give it a higher version.",
        ),
        (None, NEWER + "day_starts_at: [{hour: 4, from: 2026-01-01}]\n", None),
    ],
    ids=["changed", "older", "other days"],
)
async def test_a_rule_book_that_cannot_be_activated_is_refused(
    filled: Compared, tmp_path: Path, stored: str | None, text: str, sentence: str | None
) -> None:
    if stored is not None:
        await filled.ruled.activate(stored)
    if sentence is None:
        with pytest.raises(FatalError) as refused:
            await filled.ruled.activate(text)
        sentence = refused.value.sentence
    path = written(tmp_path, text)
    plain, found = filled.command(path), filled.command(path, "--json")
    assert (plain.returncode, plain.stdout, plain.stderr) == (1, "", f"{sentence}\n")
    assert json.loads(found.stdout) == {"well": False, "sentences": [sentence]}


async def test_a_database_that_can_only_be_read_is_enough(filled: Compared, tmp_path: Path) -> None:
    alter(filled.deployment.database, {"default_transaction_read_only": "on"})
    done = filled.command(written(tmp_path, NEWER))
    assert done.returncode == 0, done.stderr


async def test_a_missing_file_is_named(filled: Compared, tmp_path: Path) -> None:
    done = filled.command(tmp_path / "nowhere.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no file" in done.stderr
