"""Commands: a recalculation corrects what is stored, adds unlocks, and takes none away."""

from __future__ import annotations

import json
from functools import partial
from uuid import uuid4

import pytest

from progress_worker.events.identities import unlock_event_id
from progress_worker.generator.wire import Wire
from tests.harness.events import completed, recalculation
from tests.harness.storage import Rows, execute, fetch
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration


class Learner:
    """A learner of the shared deployment with three completions and two levels."""

    def __init__(self, deployment: Deployment) -> None:
        self.id = f"learner-{uuid4().hex[:8]}"
        self.deployment = deployment
        self.url = deployment.database.owner_url

    async def finish(self) -> None:
        """Reach intermediate in two topics, on consecutive days."""
        events = [
            completed(self.id, topic=topic, completed_at=f"2026-03-{day:02}T10:00:00Z")
            for topic in ("sets", "graphs")
            for day in range(1, 11)
        ]
        await self.deployment.publish(*events)

        async def applied() -> bool:
            return self.rows("SELECT count(*) FROM completion WHERE user_id = %s") == [(20,)]

        await wait_until(applied, "the learner's events are applied")

    async def send(self, **fields: object) -> None:
        """Ask for a recalculation and wait for it."""
        before = self.version()
        await self.deployment.kafka.publish(
            self.deployment.commands, [recalculation(self.id, **fields)]
        )

        async def changed() -> bool:
            return self.version() > before

        await wait_until(changed, "the learner is recalculated")

    def rows(self, query: str) -> Rows:
        return fetch(self.url, query, self.id)

    def change(self, statement: str) -> None:
        execute(self.url, statement, self.id)

    def version(self) -> int:
        return int(self.rows("SELECT version FROM learner WHERE user_id = %s")[0][0])

    def everything(self) -> dict[str, Rows]:
        return {
            name: sorted(self.rows(f"SELECT {columns} FROM {name} WHERE user_id = %s"))
            for name, columns in {
                "learner": "active_days::text, timezone, counters::text",
                "learner_total": "topic, difficulty, completions, graded, grade_hundredths,"
                " time_spent_seconds, hints_used",
                "learner_day": "local_day, topic, difficulty, completions, graded,"
                " grade_hundredths, time_spent_seconds, hints_used",
                "skill_level": "topic, level, previous_level, level_updated_at",
                "achievement_unlock": "achievement_id, triggering_event_id, backdated",
            }.items()
        }


@pytest.fixture
async def learner(shared: Deployment) -> Learner:
    someone = Learner(shared)
    await someone.finish()
    return someone


async def test_a_recalculation_restores_what_follows_from_the_completions(
    learner: Learner,
) -> None:
    before = learner.everything()
    for statement in (
        "UPDATE learner_total SET completions = 99 WHERE user_id = %s",
        "DELETE FROM learner_day WHERE user_id = %s AND local_day < '2026-03-05'",
        "INSERT INTO learner_day VALUES (%s, '2020-01-01', 'x', 'easy', 1, 0, 0, 0, 0)",
        "INSERT INTO learner_total VALUES (%s, 'x', 'easy', 1, 0, 0, 0, 0)",
        "UPDATE learner SET active_days = '{}', counters = '{}' WHERE user_id = %s",
        "DELETE FROM skill_level WHERE user_id = %s",
    ):
        learner.change(statement)
    assert learner.everything() != before
    await learner.send()
    assert learner.everything() == before
    await learner.deployment.publish(completed(learner.id, topic="sets"))
    await wait_until(partial(has_completions, learner, 21), "a later event is applied")
    assert learner.rows("SELECT sum(completions) FROM learner_total WHERE user_id = %s") == [(21,)]


async def has_completions(learner: Learner, count: int) -> bool:
    return learner.rows("SELECT count(*) FROM completion WHERE user_id = %s") == [(count,)]


async def test_new_unlocks_are_backdated_and_none_is_taken_away(learner: Learner) -> None:
    learner.change(
        "DELETE FROM achievement_unlock WHERE achievement_id = 'two_days' AND user_id = %s"
    )
    learner.change(
        "INSERT INTO achievement_unlock VALUES (%s, 'wide', now(), '2026-03-01',"
        " gen_random_uuid(), 7, 'distinct_topics', 3, 3, false)"
    )
    await learner.send()
    found: dict[str, bool] = dict(
        learner.rows("SELECT achievement_id, backdated FROM achievement_unlock WHERE user_id = %s")
    )
    assert found["wide"] is False
    assert {name for name, backdated in found.items() if backdated} == {"two_days"}
    again = unlock_event_id(learner.id, "two_days")
    messages = await learner.deployment.kafka.read(
        learner.deployment.unlocked, 2, lambda r: json.loads(r.value)["event_id"] == again
    )
    assert [json.loads(message.value)["backdated"] for message in messages] == [False, True]
    assert {json.loads(message.value)["unlocked_at"] for message in messages} == {
        "2026-03-02T10:00:00Z"
    }


async def test_with_a_topic_only_its_level_changes(learner: Learner) -> None:
    learner.change("UPDATE skill_level SET level = 'expert' WHERE user_id = %s")
    await learner.send(topic="sets")
    assert dict(learner.rows("SELECT topic, level FROM skill_level WHERE user_id = %s")) == {
        "sets": "intermediate",
        "graphs": "expert",
    }


async def test_with_a_topic_no_other_topic_gets_a_level(learner: Learner) -> None:
    learner.change("DELETE FROM skill_level WHERE user_id = %s")
    await learner.send(topic="sets")
    assert learner.rows("SELECT topic, level FROM skill_level WHERE user_id = %s") == [
        ("sets", "intermediate")
    ]


async def test_a_command_for_nobody_is_done(shared: Deployment, learner: Learner) -> None:
    """A command for a learner follows on every partition; nothing else changes."""
    stranger = f"stranger-{uuid4().hex[:8]}"
    await shared.kafka.publish(
        shared.commands,
        [recalculation(stranger)._replace(key=None), recalculation(learner.id)._replace(key=None)],
    )

    async def changed() -> bool:
        return learner.version() > 1

    await wait_until(changed, "the command behind it is carried out")
    assert fetch(learner.url, "SELECT * FROM learner WHERE user_id = %s", stranger) == []


GOOD = recalculation("nobody")


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("empty_value", GOOD._replace(value=b"")),
        ("invalid_json", GOOD._replace(value=b"{")),
        ("schema_violation", GOOD._replace(value=b'{"topic": "sets"}')),
        ("key_mismatch", GOOD._replace(key=b"somebody-else")),
        ("unknown_type", GOOD._replace(headers=(*GOOD.headers[:3], ("ce_type", b"x")))),
        ("invalid_envelope", GOOD._replace(headers=GOOD.headers[1:])),
    ],
)
async def test_a_broken_command_is_dead_lettered(
    shared: Deployment, reason: str, sent: Wire
) -> None:
    events = await shared.running.metric("progress_events_total")
    labels = {"topic": shared.commands, "reason": reason}
    letters = await shared.running.metric("progress_dead_letters_total", **labels)
    marker = ("marker", uuid4().bytes)
    sent = sent._replace(headers=(*sent.headers, marker))
    await shared.kafka.publish(shared.commands, [sent])
    [letter] = await shared.kafka.read(
        shared.command_dead_letters, 1, lambda r: marker in r.headers
    )
    assert (letter.key, letter.value) == (sent.key, sent.value)
    assert letter.headers[: len(sent.headers)] == sent.headers
    about = dict(letter.headers)
    assert about["dlq.reason"].decode() == reason
    assert about["dlq.original-topic"].decode() == shared.commands
    assert about["dlq.consumer-group"].decode() == f"{shared.group}-commands"
    assert await shared.running.metric("progress_events_total") == events
    assert await shared.running.metric("progress_dead_letters_total", **labels) == letters + 1
