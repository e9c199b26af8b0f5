"""`progress-worker explain`, and what its verification finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import LiteralString

import pytest

from progress_worker.embedded.database import Database
from tests.harness.events import completed
from tests.harness.storage import Projection, execute
from tests.harness.worker import Deployment, run_command
from tests.http.stage import open_stage
from tests.integration.test_explanations import NEWER, RULES, digest, some
from tests.integration.test_walk import Ruled

pytestmark = pytest.mark.integration

Explain = Callable[..., CompletedProcess[str]]


@pytest.fixture
async def ruled(projected: Projection, migrated_database: Database) -> Ruled:
    ruled = Ruled(projected, migrated_database.owner_url)
    await ruled.activate(RULES)
    return ruled


@pytest.fixture
def command(deploy: Callable[[Database], Deployment], migrated_database: Database) -> Explain:
    variables = deploy(migrated_database).environment()

    def run(*arguments: str) -> CompletedProcess[str]:
        return run_command(variables, "explain", *arguments)

    return run


def verified(found: CompletedProcess[str]) -> dict[str, str]:
    """The verdict on each part."""
    return {each["part"]: each["verdict"] for each in json.loads(found.stdout)["verify"]}


async def test_for_people(ruled: Ruled, command: Explain) -> None:
    hard = some(2, difficulty="hard", hints_used=2)
    await ruled.apply(*hard)
    await ruled.activate(NEWER)
    found = command("ada", "hard", "--verify")
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    for text in (
        "Hard (hard)\n",
        f"by {hard[1]['event_id']}.\n",
        "The rule, by rule book 8:\n",
        "0 [yes] You completed 2 of 2 exercises marked hard.\n",
        "Today it holds by rule book 8, and it does not hold by the active rule book 9 (active).",
        f"2 completions counted; SHA-256 {digest(hard)}\n",
        f"{hard[0]['event_id']}:0 two-sum (nodes 0)\n",
        "trigger: stored ",
    ):
        assert text in found.stdout, found.stdout
    locked = command("ada", "complete")
    assert "Locked.\n" in locked.stdout
    assert "3 [no] Your longest streak is 1 of 2 days." in locked.stdout


async def test_json_is_the_answer_of_the_view(
    ruled: Ruled, command: Explain, migrated_database: Database
) -> None:
    await ruled.apply(*some(30, difficulty="hard"))
    async with open_stage(migrated_database, {}) as stage:
        for name in ("hard", "complete", "busy", "masked", "fragile"):
            answer = await stage.read(f"/achievements/{name}/explanation")
            assert json.loads(command("ada", name, "--json").stdout) == answer


async def test_an_occurrence_that_is_not_the_last(ruled: Ruled, command: Explain) -> None:
    later = [completed("ada", completed_at=f"2026-03-1{day}T10:00:00Z") for day in range(3)]
    await ruled.apply(*some(2), *later)
    found = json.loads(command("ada", "busy", "--occurrence", "202610", "--json").stdout)
    assert (found["occurrence"], found["rule"]["value"]) == (202610, 2)


async def test_hidden_ones_are_shown(ruled: Ruled, command: Explain) -> None:
    await ruled.apply(*some(1))
    found = command("ada", "secret")
    assert (found.returncode, "Locked." in found.stdout) == (0, True)


async def test_what_cannot_be_explained(ruled: Ruled, command: Explain) -> None:
    await ruled.apply(*some(1))
    for arguments, sentence in (
        (("grace", "hard"), "Nothing is stored of a learner grace."),
        (("ada", "nothing"), "Rule book 8 has no achievement nothing."),
        (
            ("ada", "hard", "--occurrence", "2"),
            "Rule book 8 has no achievement hard with an occurrence 2.",
        ),
    ):
        found = command(*arguments)
        assert (found.returncode, found.stderr.strip()) == (1, sentence)


@pytest.mark.parametrize("name", ["first", "hard", "busy", "fragile", "complete"])
async def test_what_the_worker_stored_is_no_contradiction(
    ruled: Ruled, command: Explain, name: str
) -> None:
    """Also with late events, corrections, and unlocks that the walk found."""
    events = [
        completed("ada", difficulty="hard", grade=95, completed_at=f"2026-03-0{day}T10:00:00Z")
        for day in (5, 3, 4, 1, 2)
    ]
    for event in events:
        await ruled.apply(event)
    live = command("ada", name, "--verify", "--json")
    assert live.returncode == 0, live.stdout
    if name == "hard":
        assert verified(live)["trigger"] == "may_differ"
    await ruled.apply(events[0] | {"revision": 1, "revoked": True})
    await ruled.activate(RULES.replace("version: 8", "version: 9"))
    await ruled.walk_on()
    again = command("ada", name, "--verify", "--json")
    assert again.returncode == 0, again.stdout


async def test_what_the_walk_found_agrees_in_every_part(ruled: Ruled, command: Explain) -> None:
    await ruled.apply(*reversed(some(3, difficulty="hard")))
    more = RULES.replace("version: 8", "version: 9") + (
        "  - {id: late, name: Late, description: L., category: c, tier: gold, points: 1, icon: i,\n"
        "     rule: {exercises_completed: {at_least: 2, topic: algorithms, max_hints: 3}}}\n"
    )
    await ruled.activate(more)
    await ruled.walk_on()
    found = command("ada", "late", "--verify", "--json")
    assert (found.returncode, set(verified(found).values())) == (0, {"agrees"})
    assert json.loads(found.stdout)["unlock"]["backdated"]
    execute(
        ruled.url, "UPDATE achievement_unlock SET unlocked_at = unlocked_at - '1 hour'::interval"
    )
    moved = command("ada", "late", "--verify", "--json")
    assert moved.returncode == 2
    assert verified(moved)["unlocked_at"] == "contradicts"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("SET value = 9", "value"),
        ("SET value = 1", "value_reaches_target"),
        ("SET target = 1", "target"),
        ("SET measure = 'streak'", "measure"),
        ("SET rules_digest = 'x'", "rules_digest"),
        ("SET unlocked_at = now()", "unlocked_at_is_of_trigger"),
        ("SET triggering_event_id = gen_random_uuid()", "trigger_is_stored"),
    ],
)
async def test_what_nobody_could_have_stored(
    ruled: Ruled, command: Explain, change: LiteralString, part: str
) -> None:
    await ruled.apply(*some(3, difficulty="hard"))
    execute(ruled.url, f"UPDATE achievement_unlock {change}")
    found = command("ada", "hard", "--verify", "--json")
    assert (found.returncode, verified(found)[part]) == (2, "contradicts")
    assert command("ada", "hard").returncode == 0


async def test_an_unlock_without_its_completions(ruled: Ruled, command: Explain) -> None:
    events = some(3, difficulty="hard")
    await ruled.apply(*events)
    execute(ruled.url, "DELETE FROM completion WHERE event_id <> %s", events[1]["event_id"])
    found = command("ada", "hard", "--verify", "--json")
    assert (found.returncode, verified(found)["rule_holds"]) == (2, "contradicts")


async def test_a_locked_one_has_nothing_to_verify(ruled: Ruled, command: Explain) -> None:
    await ruled.apply(*some(1))
    found = command("ada", "hard", "--verify")
    assert (found.returncode, "There is no unlock to verify." in found.stdout) == (0, True)
