"""Every way of saving stores with an unlock and a level which version of the learner wrote it."""

from __future__ import annotations

from typing import Any

import pytest

from progress_worker.embedded.database import Database
from tests.harness.events import completed, records
from tests.harness.storage import Projection, Rows, execute, fetch
from tests.integration.test_walk import NEWER, activate

pytestmark = pytest.mark.integration

DAYS = [f"2026-03-{day:02}T10:00:00Z" for day in range(1, 12)]


def versions(database: Database, user_id: str = "ada") -> tuple[Any, int]:
    """The learner's first and present version."""
    query = "SELECT first_version, version FROM learner WHERE user_id = %s"
    ((first, version),) = fetch(database.owner_url, query, user_id)
    return first, version


def unlocks(database: Database, user_id: str = "ada") -> dict[str, int | None]:
    query = "SELECT achievement_id, learner_version FROM achievement_unlock WHERE user_id = %s"
    return dict(fetch(database.owner_url, query, user_id))


def levels(database: Database) -> Rows:
    return fetch(database.owner_url, "SELECT level, learner_version FROM skill_level")


async def test_a_batch(projected: Projection, migrated_database: Database) -> None:
    await projected.apply(records(completed("ada", completed_at=DAYS[0])))
    first, version = versions(migrated_database)
    assert first == version
    assert unlocks(migrated_database) == {"first": first}
    await projected.apply(records(completed("ada", completed_at=DAYS[1])))
    assert versions(migrated_database) == (first, first + 1)
    assert unlocks(migrated_database) == {"first": first, "two_days": first + 1}
    await projected.apply(records(*(completed("ada", completed_at=day) for day in DAYS[2:])))
    assert unlocks(migrated_database) == {
        "first": first,
        "two_days": first + 1,
        "three": first + 2,
        "skilled": first + 2,
    }
    assert levels(migrated_database) == [("intermediate", first + 2)]


async def test_a_batch_of_many_learners(projected: Projection, migrated_database: Database) -> None:
    """So many unlocks are written by COPY."""
    users = [f"learner-{number}" for number in range(150)]
    await projected.apply(records(completed(users[7], completed_at=DAYS[0])))
    await projected.apply(records(*(completed(user, completed_at=DAYS[1]) for user in users)))
    for user in users:
        first, version = versions(migrated_database, user)
        expected: dict[str, int | None] = {"first": first}
        if user == users[7]:
            expected["two_days"] = version
            assert version == first + 1
        assert unlocks(migrated_database, user) == expected


async def test_a_recalculation(projected: Projection, migrated_database: Database) -> None:
    await projected.apply(records(*(completed("ada", completed_at=day) for day in DAYS)))
    before, (first, _) = unlocks(migrated_database), versions(migrated_database)
    for statement in (
        "DELETE FROM achievement_unlock WHERE achievement_id = 'three'",
        "DELETE FROM skill_level",
    ):
        execute(migrated_database.owner_url, statement)
    await projected.recalculation.recalculate("ada")
    assert versions(migrated_database) == (first, first + 1)
    assert unlocks(migrated_database) == before | {"three": first + 1}
    assert levels(migrated_database) == [("intermediate", first + 1)]


async def test_the_walk(projected: Projection, migrated_database: Database) -> None:
    easy = (completed("ada", completed_at=day, difficulty="easy") for day in DAYS[:2])
    await projected.apply(records(*easy))
    before, (first, _) = unlocks(migrated_database), versions(migrated_database)
    await activate(projected, NEWER)
    await projected.walk.step()
    assert versions(migrated_database) == (first, first + 1)
    later = dict.fromkeys(("easy_one", "two_easy", "skilled"), first + 1)
    assert unlocks(migrated_database) == before | later
    assert levels(migrated_database) == [("intermediate", first + 1)]


async def test_a_learner_of_the_release_before_has_no_first_version(
    projected: Projection, migrated_database: Database
) -> None:
    await projected.apply(records(completed("ada", completed_at=DAYS[0])))
    # What that release leaves out.
    for statement in (
        "UPDATE learner SET first_version = NULL",
        "UPDATE achievement_unlock SET learner_version = NULL",
    ):
        execute(migrated_database.owner_url, statement)
    projected.cache.clear()
    await projected.apply(records(completed("ada", completed_at=DAYS[1])))
    first, version = versions(migrated_database)
    assert first is None
    assert unlocks(migrated_database) == {"first": None, "two_days": version}
