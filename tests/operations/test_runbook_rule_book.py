"""What the runbook says of a changed rule book: which one is refused, and the way back."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from pathlib import Path

import pytest
import yaml

from progress_worker.domain.rulebook import read_rule_book
from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.harness.deploying import CATALOGUE_FILE, deploy
from tests.harness.events import completed
from tests.harness.runbook import sections
from tests.harness.storage import execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command
from tests.naive_book import read_catalogue

pytestmark = pytest.mark.integration

CHANGE = sections()["Change the rule book"]
BUILT_IN = read_rule_book(CATALOGUE_FILE.read_text(encoding="utf-8")).version
#: The sentences of the page, whose rule book is 3, as patterns.
SENTENCES = [
    re.escape(row).replace("…", ".+").replace(r"\ 3\ ", r"\ \d+\ ")
    for row in re.findall(r"^\| (.*) \| [^|]+ \|$", CHANGE, re.MULTILINE)
    if row.endswith(".")
]


@pytest.fixture
async def deployment(broker: Broker, migrated_database: Database, tmp_path: Path) -> Deployment:
    return await deploy(broker.bootstrap, migrated_database, tmp_path, idempotent=False)


def rule_book(deployment: Deployment, **changes: object) -> dict[str, str]:
    """The worker's settings with the built-in rule book, changed."""
    file = deployment.directory / "rulebook.yaml"
    book = read_catalogue(deployment.catalogue.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump(book | changes), encoding="utf-8")
    return deployment.environment(CATALOGUE_FILE=str(file))


async def test_a_rule_book_is_refused_with_the_sentence_of_the_page(deployment: Deployment) -> None:
    url = deployment.database.owner_url
    async with deployment.worker():
        await deployment.publish(completed("ada"))
        await wait_until(partial(complete_by, url, BUILT_IN), "a learner is stored")
    said = [run_command(rule_book(deployment, passing_grade=50), "worker")]
    execute(url, "INSERT INTO running_worker VALUES ('old/1', '0.0.9', 0)")
    said.append(run_command(rule_book(deployment, version=BUILT_IN + 1), "worker"))
    execute(url, "INSERT INTO rule_book VALUES (9, 'x', 'x', 2, 'version: 9\nboosters: []')")
    said.append(run_command(rule_book(deployment), "worker"))
    execute(url, "DELETE FROM rule_book WHERE version = 9")
    execute(url, "UPDATE learner SET rule_book = 8")
    said.append(run_command(deployment.environment(), "verify", "--all"))
    assert [done.returncode for done in said] == [1] * 4
    for done, sentence in zip(said, SENTENCES, strict=True):
        assert re.search(f"^{sentence}$", done.stderr, re.MULTILINE), done.stderr


async def test_the_page_from_the_check_to_the_status(deployment: Deployment) -> None:
    """Its commands, one after the other, while a worker runs."""
    url = deployment.database.owner_url
    typed = [
        line
        for block in re.findall(r"```console\n(.*?)```", CHANGE, re.DOTALL)
        for line in block.splitlines()
    ]
    assert [line.split()[2] for line in typed] == ["check", "diff", "activate", "status"]
    own = {
        "id": "twice_a_day",
        "name": "Twice a day",
        "description": "Two in a day.",
        "goal": "Complete two exercises in a day",
        "category": "habits",
        "tier": "bronze",
        "points": 5,
        "icon": "star",
        "rule": {"exercises_completed": {"at_least": 2, "within": "day"}},
    }
    built_in = read_catalogue(deployment.catalogue.read_text(encoding="utf-8"))["achievements"]
    async with deployment.worker():
        await deployment.publish(completed("ada"), completed("ada"), completed("bob"))
        await wait_until(partial(counted, url, 3), "the events count")
        variables = rule_book(deployment, version=BUILT_IN + 1, achievements=[*built_in, own])
        said = []
        for line in typed:
            arguments = [
                variables["CATALOGUE_FILE"] if each == "rulebook.yaml" else each
                for each in line.split()[1:]
            ]
            done = await asyncio.to_thread(run_command, deployment.environment(), *arguments)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
    assert f"is version {BUILT_IN + 1} with" in said[0]
    assert re.search(r"twice_a_day +1 +0 +0", said[1])
    assert "2 of 2 learners are complete by it." in said[2]
    # The walk may have looked for more learners meanwhile.
    assert said[3].splitlines()[:2] == said[2].splitlines()[:2]
    unlocked = "SELECT user_id FROM achievement_unlock WHERE achievement_id = 'twice_a_day'"
    assert fetch(url, unlocked) == [("ada",)]


async def complete_by(url: str, version: int) -> bool:
    found = fetch(url, "SELECT DISTINCT rule_book FROM learner WHERE rule_book_at = version")
    return found == [(version,)]


async def test_the_old_file_has_no_effect_and_a_new_version_of_it_has(
    deployment: Deployment,
) -> None:
    url = deployment.database.owner_url
    easy = {"intermediate": {"exercises": 1, "mean_grade": 0}}
    newer = rule_book(deployment, version=BUILT_IN + 1, levels=easy)["CATALOGUE_FILE"]
    async with deployment.worker(CATALOGUE_FILE=newer):
        await deployment.publish(completed("ada"))
        await wait_until(partial(complete_by, url, BUILT_IN + 1), "a learner is stored")
    levels = "SELECT level FROM skill_level"
    assert fetch(url, levels) == [("intermediate",)]
    async with deployment.worker() as worker:
        await deployment.publish(completed("ada"))
        await wait_until(partial(counted, url, 2), "the event counts")
        assert await worker.metric("progress_rule_book_version") == BUILT_IN + 1
    assert fetch(url, levels) == [("intermediate",)]
    again = rule_book(deployment, version=BUILT_IN + 2)["CATALOGUE_FILE"]
    async with deployment.worker(CATALOGUE_FILE=again):
        await wait_until(partial(complete_by, url, BUILT_IN + 2), "the learner is moved")
    assert fetch(url, levels) == [("beginner",)]


async def counted(url: str, wanted: int) -> bool:
    return fetch(url, "SELECT sum(completions) FROM learner_day") == [(wanted,)]


async def test_a_higher_version_of_the_same_content_derives_everybody(
    deployment: Deployment,
) -> None:
    """Also learners whose recalculation is refused."""
    url = deployment.database.owner_url
    async with deployment.worker():
        await deployment.publish(completed("ada"), completed("bob"))
        await wait_until(partial(counted, url, 2), "the events count")
    execute(url, "UPDATE learner SET completions_kept_from = '2020-01-01' WHERE user_id = 'ada'")
    execute(url, "UPDATE learner_day SET hints_used = 99")
    verify = partial(run_command, deployment.environment(), "verify", "--all")
    assert verify().returncode == 2
    same = rule_book(deployment, version=BUILT_IN + 1)["CATALOGUE_FILE"]
    async with deployment.worker(CATALOGUE_FILE=same):
        await wait_until(partial(complete_by, url, BUILT_IN + 1), "both are derived")
    assert verify().returncode == 0
