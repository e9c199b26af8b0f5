"""Housekeeping deletes old completions, nothing derived from them, and refused records."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from progress_worker.embedded.database import Database
from progress_worker.errors import LearnerChangedError, PoisonError, Reason
from progress_worker.walks.housekeeping import Housekeeping
from tests.harness.events import Event, completed, records
from tests.harness.storage import Projection, Rows, execute, fetch, progress, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, WorkerProcess

pytestmark = pytest.mark.integration

OLD, NEW = "2020-03-02T10:00:00+01:00", dt.datetime.now(dt.UTC).isoformat()
RETENTION = {"COMPLETION_RETENTION_DAYS": "366"}
PARKED_RETENTION = {"PARKED_RETENTION_DAYS": "30"}


@dataclass
class House:
    """A worker's parts, and a housekeeping that runs step by step."""

    deployment: Deployment
    parts: Projection

    @property
    def url(self) -> str:
        return self.deployment.database.owner_url

    def housekeeping(
        self, step_rows: int = 100, variables: Mapping[str, str] = RETENTION
    ) -> Housekeeping:
        settings = self.deployment.settings(**variables)
        return Housekeeping(settings, self.parts.engine, self.parts.metrics, step_rows=step_rows)

    async def apply(self, *events: Event) -> None:
        """Apply them as a partition consumer does: again, if the learner was changed meanwhile."""
        apply = partial(self.parts.apply, records(*events))
        await self.parts.retry.run("ingest", apply)

    async def apply_long_ago(self, *events: Event) -> None:
        """Apply events that were stored at the time of their completion."""
        await self.apply(*events)
        execute(self.url, "UPDATE completion SET stored_at = completed_at")

    def completions(self) -> set[str]:
        return {str(row[0]) for row in fetch(self.url, "SELECT event_id FROM completion")}

    def derived(self) -> dict[str, Rows]:
        """Everything that was derived from completions."""
        found = progress(self.url)
        del found["completion"]
        found["learner"] = fetch(
            self.url, "SELECT user_id, active_days, timezone, counters FROM learner ORDER BY 1"
        )
        return found

    def reasons(self) -> list[str]:
        """The reasons of the dead letters in the outbox, in order."""
        rows = fetch(self.url, "SELECT headers FROM outbox WHERE topic LIKE '%%dlq' ORDER BY id")
        return [dict(headers)["dlq.reason"] for (headers,) in rows]


@pytest.fixture
async def house(deployment: Deployment) -> AsyncIterator[House]:
    async with projection(deployment.settings()) as parts:
        yield House(deployment, parts)


def ids(*events: Event) -> set[str]:
    return {event["event_id"] for event in events}


async def test_old_completions_go_and_their_sums_stay(house: House) -> None:
    old = [completed(name, completed_at=OLD) for name in ("ada", "bob") for _ in range(3)]
    await house.apply_long_ago(*old)
    late, new = completed("ada", completed_at=OLD), completed("cleo", completed_at=NEW)
    await house.apply(late, new)
    before = house.derived()

    await house.housekeeping().step()

    assert house.completions() == ids(late, new), "what came late is kept as long as all else"
    assert house.derived() == before
    kept_from: dict[str, Any] = dict(
        fetch(house.url, "SELECT user_id, completions_kept_from FROM learner")
    )
    age = dt.datetime.now(dt.UTC) - kept_from["ada"]
    assert dt.timedelta(days=366) <= age < dt.timedelta(days=367)
    assert kept_from["cleo"] is None


async def test_what_cannot_be_told_from_a_repeat_is_dead_lettered(house: House) -> None:
    old = completed("ada", completed_at=OLD)
    await house.apply_long_ago(old)
    late = completed("ada", completed_at=OLD)
    await house.apply(late)
    await house.housekeeping().step()
    before = house.derived()
    moved = old | {"revision": 1, "completed_at": NEW}

    await house.apply(old, completed("ada", completed_at=OLD), moved)

    assert house.reasons() == ["beyond_retention"] * 3
    assert house.derived() == before
    new, unrelated = completed("ada", completed_at=NEW), completed("bob", completed_at=OLD)
    revoked = late | {"revision": 1, "revoked": True}
    await house.apply(late, new, new, revoked, unrelated, new | {"revision": 1, "grade": 10})
    assert house.reasons() == ["beyond_retention"] * 3
    sums: dict[str, Any] = dict(
        fetch(house.url, "SELECT user_id, sum(completions) FROM learner_total GROUP BY user_id")
    )
    assert sums == {"ada": 2, "bob": 1}


async def test_a_worker_that_remembers_the_learner_is_not_fooled(house: House) -> None:
    """Its save fails because the learner was changed, and it loads the learner again."""
    old = completed("ada", completed_at=OLD)
    await house.apply_long_ago(old)
    await house.housekeeping().step()
    with pytest.raises(LearnerChangedError):
        await house.parts.apply(records(old))
    await house.parts.apply(records(old))
    assert house.reasons() == ["beyond_retention"]
    assert fetch(house.url, "SELECT sum(completions) FROM learner_total") == [(1,)]


async def test_a_recalculation_loses_no_sums(house: House) -> None:
    await house.apply_long_ago(completed("ada", completed_at=OLD))
    await house.apply(completed("ada", completed_at=NEW), completed("bob", completed_at=OLD))
    await house.housekeeping().step()
    before = house.derived()
    with pytest.raises(PoisonError) as refused:
        await house.parts.recalculation.recalculate("ada")
    assert refused.value.reason is Reason.BEYOND_RETENTION
    await house.parts.recalculation.recalculate("bob")
    assert house.derived() == before


async def test_the_walk_keeps_what_only_deleted_completions_could_tell(house: House) -> None:
    await house.apply_long_ago(*(completed("ada", difficulty="hard", completed_at=OLD),) * 2)
    await house.housekeeping().step()
    before = house.derived()
    execute(house.url, "UPDATE learner SET version = version + 1")
    assert (await house.parts.walk.step()).changed == 1
    assert house.derived() == before
    assert fetch(house.url, "SELECT rule_book_at = version FROM learner") == [(True,)]


async def test_a_step_is_small_and_the_next_goes_on(house: House) -> None:
    old = [completed(f"learner-{n % 7}", completed_at=OLD) for n in range(50)]
    await house.apply_long_ago(*old)
    housekeeping = house.housekeeping(step_rows=20)
    left = []
    for _ in range(4):
        await housekeeping.step()
        left.append(len(house.completions()))
    assert left == [30, 10, 0, 0]
    metrics = house.parts.metrics
    assert metrics.housekeeping_examined._value.get() == 50
    assert metrics.housekeeping_deleted.labels("completion")._value.get() == 50
    assert metrics.housekeeping_passed._value.get() > 0


async def test_the_next_leader_goes_on_where_the_last_one_was(house: House) -> None:
    old = [completed(f"learner-{n % 7}", completed_at=OLD) for n in range(50)]
    await house.apply_long_ago(*old)
    await house.housekeeping(step_rows=20).step()
    await house.housekeeping(step_rows=20).step()
    assert house.parts.metrics.housekeeping_examined._value.get() == 40
    rows = fetch(house.url, "SELECT examined, changed, finished_at FROM walk")
    assert rows == [(40, 40, None)]


async def test_a_step_that_fails_is_taken_back_and_made_good(house: House) -> None:
    await house.apply_long_ago(completed("ada", completed_at=OLD))
    housekeeping = house.housekeeping()
    execute(house.url, "REVOKE DELETE ON completion FROM progress_worker")
    await housekeeping.step()
    assert fetch(house.url, "SELECT completions_kept_from FROM learner") == [(None,)]
    assert house.parts.metrics.housekeeping_steps.labels("failed")._value.get() == 1
    execute(house.url, "GRANT DELETE ON completion TO progress_worker")
    await housekeeping.step()
    assert house.completions() == set()


PARKED = """
INSERT INTO outbox (topic, headers, created_at, parked)
SELECT 'unlocked', '[]', now() - days * interval '1 day', parked
FROM (VALUES (100, 'MessageSizeTooLargeError'), (100, NULL), (20, 'InvalidTopicError'), (0, NULL))
    AS given (days, parked)
"""


async def test_only_old_refused_records_go_from_the_outbox(house: House) -> None:
    execute(house.url, PARKED)
    await house.housekeeping(variables=PARKED_RETENTION).step()
    left = fetch(house.url, "SELECT parked FROM outbox ORDER BY id")
    assert left == [(None,), ("InvalidTopicError",), (None,)]
    assert house.parts.metrics.housekeeping_deleted.labels("outbox")._value.get() == 1


async def test_everything_is_kept_unless_told_otherwise(house: House) -> None:
    settings = house.deployment.settings()
    housekeeping = Housekeeping(settings, house.parts.engine, house.parts.metrics)
    assert not housekeeping.wanted
    await house.apply_long_ago(completed("ada", completed_at=OLD))
    execute(house.url, PARKED)
    await housekeeping.step()
    assert len(house.completions()) == 1
    assert fetch(house.url, "SELECT count(*) FROM outbox WHERE topic = 'unlocked'") == [(4,)]


SEED = """
INSERT INTO learner (user_id, version, active_days, counters)
    SELECT 'u' || n, 1, '{}', '{}' FROM generate_series(1, 3000) AS n;
INSERT INTO completion
    SELECT 'u' || n, gen_random_uuid(), 0, false, 'x', 't', 'easy', NULL, 60, 0, date '2020-01-01',
           NULL, '2020-01-01', '2020-01-01'
    FROM generate_series(1, 3000) AS n, generate_series(1, 10);
INSERT INTO outbox (topic, headers) SELECT 't', '[]' FROM generate_series(1, 3000);
ANALYZE;
"""


async def test_no_step_reads_a_whole_table(house: House) -> None:
    for statement in SEED.strip().split(";\n"):
        execute(house.url, statement.encode())  # type: ignore[arg-type]
    plans: list[dict[str, Any]] = []
    database = house.deployment.database
    explain(database)
    event.listen(house.parts.engine.sync_engine, "connect", collect_into(plans))

    await house.housekeeping(variables=PARKED_RETENTION | RETENTION).step()

    nodes = [node for plan in plans for node in nodes_of(plan["Plan"])]
    for table, index in (("completion", "pk_completion"), ("outbox", "pk_outbox")):
        scans = [n for n in nodes if n.get("Relation Name") == table and "Scan" in n["Node Type"]]
        assert scans
        for scan in scans:
            assert scan.get("Index Name") == index, scan
            assert scan["Actual Rows"] * scan["Actual Loops"] <= 100, scan


def explain(database: Database) -> None:
    """Make Postgres send the plan of each statement to every new connection."""
    for setting in (
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_format = 'json'",
        "auto_explain.log_level = 'notice'",
    ):
        execute(database.owner_url, f"ALTER DATABASE {database.name} SET {setting}")


def collect_into(plans: list[dict[str, Any]]) -> Callable[[Any, object], None]:
    def listen(connection: Any, _record: object) -> None:
        connection.driver_connection.add_notice_handler(
            lambda notice: plans.append(json.loads(notice.message_primary.partition("plan:")[2]))
        )

    return listen


def nodes_of(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(found for part in node.get("Plans", ()) for found in nodes_of(part))]


async def test_only_the_leader_keeps_house(deployment: Deployment) -> None:
    deployment.variables |= RETENTION | {"HOUSEKEEPING_SECONDS": "0.2"}
    start = partial(deployment.worker, await_ready=False)
    async with start() as one, start() as other:

        async def one_works_alone() -> bool:
            if not (await one.ready() and await other.ready()):
                return False
            before = [await passed(one), await passed(other)]
            await asyncio.sleep(1)
            return (await passed(one) > before[0]) != (await passed(other) > before[1])

        await wait_until(one_works_alone, "one of two workers keeps house")


@pytest.mark.faults
async def test_the_leaders_heir_goes_on(deployment: Deployment) -> None:
    url = deployment.database.owner_url
    deployment.variables |= RETENTION | {"HOUSEKEEPING_SECONDS": "0.2"}
    async with deployment.worker() as one, deployment.worker() as other:
        await wait_until(partial(any_passed, [one, other]), "one of them keeps house")
        leader, heir = (one, other) if await passed(one) else (other, one)
        leader.kill()
        await deployment.publish(completed("ada", completed_at=OLD))
        await wait_until(partial(counts, url, 1), "the event is stored")
        execute(url, "UPDATE completion SET stored_at = completed_at")
        await wait_until(partial(counts, url, 0), "the completion is deleted")
        assert await heir.metric("progress_housekeeping_deleted_total", table="completion") == 1


async def passed(worker: WorkerProcess) -> float:
    """When the worker last reached the end of the completions; 0 if never."""
    return await worker.metric("progress_housekeeping_passed_timestamp_seconds")


async def any_passed(workers: list[WorkerProcess]) -> bool:
    return any([await passed(worker) for worker in workers])


async def counts(url: str, number: int) -> bool:
    return fetch(url, "SELECT count(*) FROM completion") == [(number,)]
