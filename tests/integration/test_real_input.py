"""Real events of 478 learners through broker, worker and Postgres, with known results.

The data are not part of the project. The tests are skipped unless `PROGRESS_TEST_DATA`, or the
folder next to the checkout, holds them.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import pytest

from progress_worker.domain.days import Days
from progress_worker.domain.streak_reading import read_daily
from progress_worker.domain.streaks import StreakPolicy, Streaks
from tests.harness.events import Event
from tests.harness.storage import fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment
from tests.naive_streaks import naive_daily

DATA = Path(
    os.environ.get(
        "PROGRESS_TEST_DATA", Path(__file__).resolve().parents[2].parent / "shared/data/lkt-stats"
    )
)
#: For a backlog on a busy machine; it is drained within seconds otherwise.
DRAIN_SECONDS = 300.0

#: Nobody of these learners has a run of five days, so by the usual policy nobody earns a freeze.
GENEROUS = StreakPolicy(cap=2, earn_every=1)
POLICIES = (StreakPolicy(cap=2, earn_every=5), GENEROUS)
LENGTHS = (2, 3)
_ACHIEVEMENT = """
  - {{id: days_{days}, name: A streak, description: A streak., category: streaks, tier: bronze,
     points: 1, icon: flame, rule: {{streak: {{days: {days}}}}}}}"""
FREEZES = (
    f"version: 1\nstreak: {{freezes: {{cap: {GENEROUS.cap}, earn_every: {GENEROUS.earn_every}}}}}\n"
    "achievements:" + "".join(_ACHIEVEMENT.format(days=days) for days in LENGTHS)
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (DATA / "events.jsonl.gz").is_file(), reason=f"no real events in {DATA}"
    ),
]

Learner = dict[str, Any]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """All events, in order."""
    with gzip.open(DATA / "events.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def expected() -> dict[str, Learner]:
    """The known progress of each learner, as far as we derive it."""
    users = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))["users"]
    assert len(users) == 478
    names = EMPTY.keys()
    return {user_id: {name: user[name] for name in names} for user_id, user in users.items()}


EMPTY: Learner = {
    "exercises": 0,
    "grade_sum": 0,
    "time_spent_seconds": 0,
    "hints_used": 0,
    "distinct_exercises": 0,
    "mean_grade": None,
    "timezone": None,
    "active_days": 0,
    "first_active_day": None,
    "last_active_day": None,
    "current_streak": 0,
    "longest_streak": 0,
    "by_day": {},
    "by_difficulty": {},
    "topics": {},
}


async def test_every_learner_comes_out_as_expected(
    deployment: Deployment, events: list[Event], expected: dict[str, Learner]
) -> None:
    await drain(deployment, events)
    found = learners(deployment.database.view_url)
    assert found.keys() == expected.keys()
    assert [user for user in expected if found[user] != expected[user]] == []


async def test_disorder_repeats_and_corrections_come_out_the_same(
    deployment: Deployment, events: list[Event], expected: dict[str, Learner]
) -> None:
    """By a rule book with freezes, which change nothing but the streaks."""
    deployment.catalogue = deployment.directory / "freezes.yaml"
    deployment.catalogue.write_text(FREEZES)
    await drain(deployment, disordered(events, Random(20261123)))
    url = deployment.database.view_url
    found = learners(url)
    assert found.keys() == expected.keys()
    assert [user for user in expected if found[user] != expected[user]] == []
    for policy in POLICIES:
        assert streaks_by(policy, url) == walked(expected, policy)
    longest = {user_id: streak[1] for user_id, streak in walked(expected, GENEROUS).items()}
    assert unlocked(url) == {
        f"days_{days}": {user_id for user_id in longest if longest[user_id] >= days}
        for days in LENGTHS
    }


def walked(expected: dict[str, Learner], policy: StreakPolicy) -> dict[str, tuple[int, int]]:
    """Current and longest streak as of the last active day, by walking from day to day."""
    found = {}
    for user_id, learner in expected.items():
        days = {dt.date.fromisoformat(day).toordinal() for day in learner["by_day"]}
        read = naive_daily(days, set(), policy.cap, policy.earn_every, max(days))
        found[user_id] = read.current, read.longest
    return found


def streaks_by(policy: StreakPolicy, url: str) -> dict[str, tuple[int, int]]:
    """The same as the view's role reads it; nobody of these learners travels."""
    found = {}
    for user_id, active_days, travel_days in fetch(
        url, "SELECT user_id, active_days, travel_days FROM learner"
    ):
        assert not travel_days
        days = Days([(run.lower.toordinal(), run.upper.toordinal() - 1) for run in active_days])
        last = days.last_day
        assert last is not None
        read = read_daily(Streaks(days), policy, last)
        found[user_id] = read.current, read.longest
    return found


def unlocked(url: str) -> dict[str, set[str]]:
    """The learners who hold each achievement."""
    holders: dict[str, set[str]] = {f"days_{days}": set() for days in LENGTHS}
    for user_id, name in fetch(url, "SELECT user_id, achievement_id FROM achievement_unlock"):
        holders[name].add(user_id)
    return holders


def disordered(events: list[Event], rng: Random) -> list[Event]:
    """Shuffled; every tenth is repeated later, every hundredth sent wrong and corrected later."""
    places = [(rng.random(), event) for event in events]
    for number, (place, event) in enumerate(list(places)):
        if number % 10 == 0:
            places.append((rng.uniform(place, 1), event))
        if number % 100 == 0:
            wrong = event | {
                "topic": "Mistaken",
                "difficulty": "easy",
                "grade": None,
                "time_spent_seconds": 86_400,
                "hints_used": 1_000,
                "completed_at": "2015-09-01T12:00:00-05:00",
                "timezone": "Asia/Tokyo",
                "revoked": number % 200 == 0,
            }
            places[number] = (place, wrong)
            places.append((rng.uniform(place, 1), event | {"revision": 1}))
            if number % 1000 == 0:
                places.append((rng.random(), wrong))
    return [event for _, event in sorted(places, key=lambda each: each[0])]


async def drain(deployment: Deployment, events: list[Event]) -> None:
    """Publish the events and wait until a worker has processed all of them."""
    await deployment.publish(*events)
    async with deployment.worker() as worker:

        async def dealt_with() -> bool:
            return await worker.metric("progress_events_total") == len(events)

        await wait_until(dealt_with, "every event is dealt with", DRAIN_SECONDS)
        assert await worker.metric("progress_dead_letters_total") == 0


def learners(url: str) -> dict[str, Learner]:
    """Every learner as the view's role reads it, in the same form as `expected`."""
    found: dict[str, Learner] = defaultdict(lambda: json.loads(json.dumps(EMPTY)))
    for user_id, timezone, active_days in fetch(
        url, "SELECT user_id, timezone, active_days FROM learner"
    ):
        runs = [(run.lower.toordinal(), run.upper.toordinal() - 1) for run in active_days]
        found[user_id] |= {"timezone": timezone} | streaks(Days(runs))
    for user_id, topic, difficulty, count, graded, grades, time, hints in fetch(
        url,
        "SELECT user_id, topic, difficulty, completions, graded,"
        " grade_hundredths, time_spent_seconds, hints_used"
        " FROM learner_total WHERE completions > 0",
    ):
        assert graded == count
        add(found[user_id], count, grades, time, hints)
        add(found[user_id]["topics"].setdefault(topic, dict(TOPIC)), count, grades, time, hints)
        by_difficulty = found[user_id]["by_difficulty"]
        by_difficulty[difficulty] = by_difficulty.get(difficulty, 0) + count
    for user_id, topic, level in fetch(url, "SELECT user_id, topic, level FROM skill_level"):
        if topic in found[user_id]["topics"] or level != "beginner":
            found[user_id]["topics"][topic]["level"] = level
    for user_id, day, count in fetch(
        url,
        "SELECT user_id, local_day::text, sum(completions) FROM learner_day"
        " WHERE completions > 0 GROUP BY user_id, local_day",
    ):
        found[user_id]["by_day"][day] = count
    for user_id, count in fetch(
        url, "SELECT user_id, count(DISTINCT exercise_id) FROM completion GROUP BY user_id"
    ):
        found[user_id]["distinct_exercises"] = count
    return dict(found)


TOPIC: Learner = {
    "exercises": 0,
    "grade_sum": 0,
    "time_spent_seconds": 0,
    "hints_used": 0,
    "mean_grade": None,
    "level": "beginner",
}


def add(sums: Learner, count: int, grade_hundredths: int, time: int, hints: int) -> None:
    grade_sum, rest = divmod(grade_hundredths, 100)
    assert rest == 0
    sums["exercises"] += count
    sums["grade_sum"] += grade_sum
    sums["time_spent_seconds"] += time
    sums["hints_used"] += hints
    sums["mean_grade"] = round(sums["grade_sum"] / sums["exercises"], 6)


def streaks(days: Days) -> Learner:
    last = days.last_day
    assert last is not None
    read = read_daily(Streaks(days), StreakPolicy(), last)
    return {
        "active_days": len(days),
        "first_active_day": str(next(iter(days))),
        "last_active_day": str(last),
        "current_streak": read.current,
        "longest_streak": read.longest,
    }
