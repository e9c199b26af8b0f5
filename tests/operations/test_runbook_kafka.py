"""The runbook's commands with Kafka's own programs, except the replay."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from progress_worker import __version__
from progress_worker.embedded.database import Database
from tests.harness.apache_kafka import Cluster
from tests.harness.deploying import deploy
from tests.harness.events import completed
from tests.harness.runbook import command, commands
from tests.harness.storage import execute, fetch
from tests.harness.terminal import Terminal
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment
from tests.naive_book import read_catalogue

pytestmark = [pytest.mark.integration, pytest.mark.faults]

RECALCULATE, PARKED = "Recalculate learners", "ProgressRecordsParked"
CHANGE, VERIFY = "Change the rule book", "Verify what is stored"


@pytest.fixture
async def deployment(
    apache_kafka: Cluster, migrated_database: Database, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """A deployment on Apache Kafka with a running worker."""
    made = await deploy(apache_kafka.bootstrap, migrated_database, tmp_path, idempotent=True)
    async with made.worker() as made.running:
        yield made


@pytest.fixture
def terminal(deployment: Deployment) -> Terminal:
    """A terminal with Kafka's own tools, which knows that deployment."""
    names = {"KAFKA": deployment.kafka.bootstrap, "OWNER": deployment.database.owner_url}
    return Terminal(deployment.directory, deployment.environment(), kafka=True, **names)


def test_the_group_is_described(deployment: Deployment, terminal: Terminal) -> None:
    names = {"--group progress-worker": f"--group {deployment.group}"}
    told = terminal.run(command("ProgressNoWorker", "--describe", names))
    assert told.split()[-2:] == ["Stable", "1"]


def test_partitions_are_added(deployment: Deployment, terminal: Terminal) -> None:
    names = {"exercise-completed": deployment.completed}
    terminal.run(command("Scale", "--partitions 12", names))
    terminal.variables["TOPIC_PARTITIONS"] = "12"
    assert "The topics are as wanted." in terminal.run("progress-worker topics check")


async def test_learners_are_recalculated(deployment: Deployment, terminal: Terminal) -> None:
    learners = ("ada", 'Zoë "the \\ best"', "two\nlines")
    await deployment.publish(*(completed(user_id) for user_id in learners))
    url = deployment.database.owner_url

    async def recalculated(times: int) -> None:
        async def said() -> bool:
            return deployment.running.said().count('"event": "recalculated"') == times

        await wait_until(said, f"{times} learners are recalculated")

    await wait_until(partial(_stored, url, len(learners)), "all learners are stored")
    first: dict[str, int] = dict(fetch(url, "SELECT user_id, version FROM learner"))
    names = {"progress-commands": deployment.commands}
    terminal.run(command(RECALCULATE, "echo", names))
    await recalculated(1)
    terminal.run(command(RECALCULATE, "everyone", names))
    await recalculated(1 + len(learners))
    saved = fetch(url, "SELECT user_id, version FROM learner")
    assert {version - first[user_id] for user_id, version in saved} == {1, 2}
    assert "dead_lettered" not in deployment.running.said()


async def test_dead_letters_are_shown_and_redriven(
    deployment: Deployment, terminal: Terminal
) -> None:
    url = deployment.database.owner_url
    execute(url, "ALTER TABLE completion ADD CONSTRAINT no_graphs CHECK (topic <> 'graphs')")
    await deployment.publish(
        completed("ada", topic="graphs"), completed("ada", timezone="Mars/Olympus")
    )
    await deployment.kafka.read(deployment.dead_letters, 2)
    listed = terminal.run(command("ProgressDeadLetters", "list"))
    (place,) = re.findall(r"(\d+:\d+) .* rejected_by_database ", listed)
    shown = terminal.run(command("ProgressDeadLetters", "show", {"5:0": place}))
    assert "message: CheckViolation 23514 no_graphs" in shown
    assert '"topic": "graphs"' in shown
    assert f"worker version: {__version__}" in shown
    assert re.search(r"^sent at: \d{4}-\d\d-\d\dT.*\+00:00$", shown, re.MULTILINE)
    execute(url, "ALTER TABLE completion DROP CONSTRAINT no_graphs")
    dry, redrive = (
        c.text.replace("unknown_timezone", "rejected_by_database")
        for c in commands()
        if c.section == "Redrive dead letters"
    )
    assert "Would re-drive 1 dead letters" in terminal.run(dry)
    assert "Re-drove 1 dead letters" in terminal.run(redrive)
    assert "Would re-drive 0 dead letters" in terminal.run(dry)

    async def applied() -> bool:
        return fetch(url, "SELECT topic FROM completion") == [("graphs",)]

    await wait_until(applied, "the event counts")


async def test_parked_records_are_let_go(deployment: Deployment, terminal: Terminal) -> None:
    url = deployment.database.owner_url
    named = {"achievement-unlocked": deployment.unlocked}
    raise_limit = command(PARKED, "kafka-configs", named)
    terminal.run(raise_limit.replace("4194304", "100"))
    await deployment.publish(completed("ada"))

    async def parked() -> bool:
        return "MessageSizeTooLargeError" in await asyncio.to_thread(
            terminal.run, command(PARKED, "SELECT")
        )

    await wait_until(parked, "Kafka refuses the record")
    terminal.run(raise_limit)
    terminal.run(command(PARKED, "UPDATE"))
    assert await deployment.kafka.read(deployment.unlocked, 1)

    async def empty() -> bool:
        return fetch(url, "SELECT 1 FROM outbox") == []

    await wait_until(empty, "nothing is left in the outbox")


async def test_a_new_achievement_is_given_to_all_who_have_earned_it(
    deployment: Deployment, terminal: Terminal
) -> None:
    """By the walk: nobody finishes anything, and nobody asks for a recalculation."""
    await deployment.publish(completed("ada"))
    await deployment.kafka.read(deployment.unlocked, 1)
    assert await deployment.running.terminate() == 0
    book = read_catalogue(deployment.catalogue.read_text(encoding="utf-8"))
    book["version"] += 1
    book["achievements"].append(book["achievements"][0] | {"id": "first_of_all"})
    file = deployment.directory / "rulebook.yaml"
    file.write_text(yaml.safe_dump(book), encoding="utf-8")
    terminal.run(command(CHANGE, "rules check"))
    async with deployment.worker(CATALOGUE_FILE=str(file)):
        given = await deployment.kafka.read(
            deployment.unlocked, 1, lambda record: b'"first_of_all"' in record.value
        )
        assert b'"backdated":true' in given[0].value
        assert f"{book['version']} | " in terminal.run(command(CHANGE, "FROM rule_book"))
        complete_by = terminal.run(command(CHANGE, "complete_by"))
        assert re.search(rf"^ +{book['version']} \| +1$", complete_by, re.MULTILINE)

        ended = rf"^ rule_book \| +{book['version']} \|.*\| 20\S+ \S+$"

        async def walked() -> bool:
            shown = await asyncio.to_thread(terminal.run, command(CHANGE, "FROM walk"))
            return bool(re.search(ended, shown, re.MULTILINE))

        await wait_until(walked, "the walk has reached everybody")


async def test_what_a_verify_finds_is_mended(deployment: Deployment, terminal: Terminal) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    learners = ("ada", 'Zoë "the \\ best"', "two\nlines")
    await deployment.publish(*(completed(user_id) for user_id in learners))
    url = deployment.database.owner_url
    await wait_until(partial(_stored, url, len(learners)), "all learners are stored")
    execute(url, "UPDATE learner_total SET hints_used = 99 WHERE user_id <> 'ada'")
    names = {"progress-commands": deployment.commands}
    verify, mend = command(VERIFY, "> verified.jsonl"), command(VERIFY, "jq", names)
    assert terminal.attempt(verify).returncode == 2
    terminal.run(mend)

    async def mended() -> bool:
        done = await asyncio.to_thread(terminal.attempt, verify)
        return done.returncode == 0

    await wait_until(mended, "nothing differs")
    assert deployment.running.said().count('"event": "recalculated"') == len(learners) - 1


async def _stored(url: str, count: int) -> bool:
    return len(fetch(url, "SELECT 1 FROM learner")) == count
