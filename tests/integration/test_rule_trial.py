"""`rules try` unlocks what the worker unlocks."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from progress_worker.events.commands import DAYS_EXCUSED
from progress_worker.generator.wire import Wire
from tests.harness.events import Event, completed, excuse
from tests.harness.telling import FAIR, Fair
from tests.harness.worker import run_command
from tests.integration.test_walk import Ruled, history

pytestmark = pytest.mark.integration

#: The same with unlocks that repeat and that can be lost.
LOST_AND_REPEATED = (
    FAIR.replace("version: 7", "version: 8")
    .replace("{id: three,", "{id: three, revocation: withdraw,")
    .replace("{id: two_days,", "{id: two_days, revocation: withdraw,")
    .replace(
        "achievements:",
        """achievements:
  - {id: again, name: Again, description: Again., category: effort, tier: bronze, points: 5,
     icon: leaf, repeat: each_multiple, rule: {exercises_completed: {at_least: 2}}}
  - {id: weekly, name: Weekly, description: Weekly., category: effort, tier: bronze, points: 5,
     icon: leaf, repeat: each_week, revocation: withdraw,
     rule: {exercises_completed: {at_least: 3}}}
  - {id: busy, name: Busy, description: Busy., category: effort, tier: bronze, points: 5,
     icon: leaf, rule: {exercises_completed: {at_least: 2, within: day}}}""",
    )
)
NAMES = (
    *("achievement_id", "occurrence", "generation", "triggering_event_id", "measure"),
    *("value", "target", "backdated"),
)
UNLOCKS = """
SELECT user_id, achievement_id, occurrence, generation, triggering_event_id::text, measure, value,
       target, backdated
FROM achievement_unlock
"""
LEVELS = "SELECT user_id, topic, level FROM skill_level WHERE level <> 'beginner'"


def facts(rng: random.Random) -> list[Event | Wire]:
    """Histories with regrades, revocations, repeats and excuses, in any order of arrival."""
    found: list[Event | Wire] = []
    for user in ("ada", "bob", "cleo", "dan"):
        events = history(user, rng)
        found += [*events, events[0]]
        found += [excuse(user, f"2026-03-0{rng.randint(1, 8)}") for _ in range(3)]
    away = [
        ("2026-03-02T18:00:00-10:00", "Pacific/Honolulu"),
        ("2026-03-04T18:00:00+13:00", "Pacific/Auckland"),
    ]
    found += [completed("eve", completed_at=time, timezone=zone) for time, zone in away]
    rng.shuffle(found)
    return found + lost_and_earned_again()


def lost_and_earned_again() -> list[Event]:
    """Three completions, of which one is taken back, and then a fourth."""
    three = [completed("fay") for _ in range(3)]
    return [*three, three[0] | {"revision": 1, "revoked": True}, completed("fay")]


def line(fact: Event | Wire) -> str:
    if not isinstance(fact, Wire):
        return json.dumps(fact)
    envelope = {"specversion": "1.0", "id": "1", "source": "/platform", "type": DAYS_EXCUSED}
    return json.dumps(envelope | {"data": json.loads(fact.value or b"")})


@pytest.mark.parametrize("text", [FAIR, LOST_AND_REPEATED], ids=["kept", "lost"])
@pytest.mark.parametrize("seed", range(4))
async def test_it_unlocks_what_the_worker_unlocks(
    fair: Fair, tmp_path: Path, seed: int, text: str
) -> None:
    if text != FAIR:
        await Ruled(fair.parts, fair.url).activate(text)
    told = facts(random.Random(seed))
    await fair.tell(*told)
    events, book = tmp_path / "events.jsonl", tmp_path / "fair.yaml"
    events.write_text("\n".join(map(line, told)))
    book.write_text(text)
    done = run_command({}, "rules", "try", str(events), "--rules", str(book), "--json")
    assert done.returncode == 0, done.stderr
    *learners, end = map(json.loads, done.stdout.splitlines())
    assert sorted(fair.rows(UNLOCKS)) == sorted(
        unlock for learner in learners for unlock in unlocks(learner)
    )
    assert sorted(fair.rows(LEVELS)) == sorted(
        (learner["user_id"], topic, level)
        for learner in learners
        for topic, level in learner["levels"].items()
    )
    assert end["events"] == len(told)
    assert end["repeats"] >= 4
    assert (end["wrong"], end["learners"]) == (0, 6)
    assert any(learner["losses"] for learner in learners) == (text != FAIR)


def unlocks(learner: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The unlocks that the learner has in the end."""
    lost = {tuple(loss[name] for name in NAMES[:3]) for loss in learner["losses"]}
    found = [tuple(unlock[name] for name in NAMES) for unlock in learner["unlocks"]]
    return [(learner["user_id"], *unlock) for unlock in found if unlock[:3] not in lost]
