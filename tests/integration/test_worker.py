"""Workers as processes: probes, stops, crashes, sharing, outages, and failed starts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from uuid import uuid4

import psycopg
import pytest

from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.harness.events import Event, completed, records
from tests.harness.storage import Rows, fetch, projection
from tests.harness.waiting import wait_until
from tests.harness.worker import FAUST, Deployment, run_command

pytestmark = pytest.mark.integration

PARTITIONS = 4


def events(count: int, learners: int = 40) -> list[Event]:
    tag = uuid4().hex[:6]
    return [completed(f"{tag}-{n % learners}", time_spent_seconds=n % 100) for n in range(count)]


def totals(url: str) -> Rows:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM completion), sum(completions), sum(time_spent_seconds)"
            " FROM learner_total"
        ).fetchall()


def totals_of(sent: list[Event]) -> Rows:
    return [(len(sent), len(sent), sum(event["time_spent_seconds"] for event in sent))]


async def applied(deployment: Deployment, count: int) -> bool:
    rows = fetch(deployment.database.owner_url, "SELECT count(*) FROM completion")
    return bool(rows[0][0] >= count)


async def published(deployment: Deployment) -> bool:
    return fetch(deployment.database.owner_url, "SELECT count(*) FROM outbox") == [(0,)]


async def test_probes_and_metrics(shared: Deployment) -> None:
    worker = shared.running
    learner = f"probe-{uuid4().hex}"
    before = await worker.metric("progress_events_total", outcome="duplicate")
    event = completed(learner)
    await shared.publish(event, event)

    async def counted() -> bool:
        now = await worker.metric("progress_events_total", outcome="duplicate")
        return now == before + 1

    await wait_until(counted, "the repeat is counted")
    for path, answer in (("/livez", {"status": "alive"}), ("/readyz", {"obstacles": []})):
        response = await worker.get(path)
        assert response is not None
        assert (response.status_code, response.json()) == (200, answer)
    assert await worker.metric("progress_assigned_partitions") == PARTITIONS
    assert await worker.metric("progress_relay_leader") == 1
    for name in (
        "progress_batch_events_count",
        "progress_batch_seconds_count",
        "progress_event_commit_latency_seconds_count",
        "progress_last_progress_timestamp_seconds",
        "progress_database_connections",
    ):
        assert await worker.metric(name) > 0, name

    async def latency() -> bool:
        return await worker.metric("progress_publish_latency_seconds_count") > 0

    await wait_until(latency, "an unlock is published")


async def test_the_unlocks_on_kafka_are_those_in_postgres(shared: Deployment) -> None:
    learner = f"unlocks-{uuid4().hex}"
    await shared.publish(*(completed(learner) for _ in range(3)))
    found = await shared.kafka.read(
        shared.unlocked, 2, lambda record: record.key == learner.encode()
    )
    stored = fetch(
        shared.database.owner_url,
        "SELECT achievement_id, triggering_event_id::text FROM achievement_unlock"
        " WHERE user_id = %s",
        learner,
    )
    said = [json.loads(record.value) for record in found]
    assert sorted((s["achievement_id"], s["triggering_event_id"]) for s in said) == sorted(stored)
    for record, data in zip(found, said, strict=True):
        headers = dict(record.headers)
        assert headers["ce_id"].decode() == data["event_id"]
        assert headers["ce_type"] == b"achievement.unlocked.v1"
        assert headers["content-type"] == b"application/json"


async def test_a_stopped_worker_has_committed_what_it_applied(deployment: Deployment) -> None:
    """It is started by Faust's own command; its successor reads nothing again."""
    sent = events(600)
    async with deployment.worker(FAUST) as worker:
        await deployment.publish(*sent)
        await wait_until(partial(applied, deployment, 1), "the first batch is applied")
        assert await worker.terminate() == 0, worker.said()
    rows = fetch(deployment.database.owner_url, "SELECT count(*) FROM completion")
    committed = await deployment.kafka.committed(deployment.group, deployment.completed)
    assert sum(committed.values()) == rows[0][0] > 0
    async with deployment.worker() as successor:
        more = [completed(f"after-{n}", time_spent_seconds=1) for n in range(PARTITIONS)]
        for number, event in enumerate(more):
            await deployment.publish(event, partition=number)
        await wait_until(partial(applied, deployment, 604), "everything is applied")
        assert await successor.metric("progress_events_total", outcome="duplicate") == 0
        await wait_until(partial(published, deployment), "every unlock is published")
        assert await successor.terminate() == 0, successor.said()
    assert totals(deployment.database.owner_url) == totals_of(sent + more)


async def test_a_missing_topic_is_waited_for(deployment: Deployment) -> None:
    missing = f"{deployment.completed}-later"
    async with deployment.worker(await_ready=False, COMPLETED_TOPIC=missing) as worker:
        sentence = f"the topic {missing} does not exist yet"
        await wait_until(partial(worker.has_said, sentence), "the worker says that it waits")
        answer = await worker.get("/readyz")
        assert answer is not None
        assert answer.status_code == 503
        await deployment.kafka.create(missing, partitions=PARTITIONS)
        await wait_until(worker.ready, "the worker is ready")
        deployment.completed = missing
        await deployment.publish(completed("ada"))
        await wait_until(partial(applied, deployment, 1), "an event is applied")


async def test_a_killed_workers_partitions_move_to_the_other(deployment: Deployment) -> None:
    sent = events(400)
    async with deployment.worker() as one, deployment.worker() as other:

        async def shared_evenly() -> bool:
            return [await w.metric("progress_assigned_partitions") for w in (one, other)] == [2, 2]

        await wait_until(shared_evenly, "both workers have partitions")
        await deployment.publish(*sent[:200])
        await wait_until(partial(applied, deployment, 200), "both work")
        for worker in (one, other):
            assert await worker.metric("progress_events_total", outcome="applied") > 0
        await deployment.publish(*sent[200:300])
        one.kill()
        await deployment.publish(*sent[300:])
        await wait_until(partial(applied, deployment, 400), "the other has applied everything")
        assert await other.metric("progress_assigned_partitions") == PARTITIONS
        await wait_until(partial(published, deployment), "the other publishes too")
    assert totals(deployment.database.owner_url) == totals_of(sent)
    unlocks = fetch(deployment.database.owner_url, "SELECT count(*) FROM achievement_unlock")[0][0]
    found = await deployment.kafka.read(deployment.unlocked, unlocks)
    assert len({json.loads(record.value)["event_id"] for record in found}) == unlocks


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may stop."""
    with Postgres(durable=False) as server:
        server.create_roles()
        yield server


async def test_a_restart_of_postgres_loses_and_doubles_nothing(
    deployment: Deployment, own_postgres: Postgres
) -> None:
    deployment.database = own_postgres.create_database("progress")
    migrate(deployment.database.owner_url)
    sent = events(900)
    async with deployment.worker() as worker:
        for at in range(0, 900, 100):
            await deployment.publish(*sent[at : at + 100])
            if at == 300:
                own_postgres.restart()
            if at == 600:
                own_postgres.kill()
                await wait_until(partial(worker.has_said, "transient_failure"), "it is missed")
                own_postgres.start()
        await wait_until(partial(applied, deployment, 900), "everything is applied")
        await wait_until(partial(published, deployment), "every unlock is published")
        assert totals(deployment.database.owner_url) == totals_of(sent)
        assert await worker.ready()


async def test_level_changes_are_told_only_if_asked_for(deployment: Deployment) -> None:
    url = deployment.database.owner_url

    async def published(learner: str, **changes: str) -> list[tuple[str, str]]:
        level_up = [completed(learner, grade=70) for _ in range(10)]
        async with projection(deployment.settings(**changes)) as parts:
            await parts.apply(records(*level_up))
        rows = fetch(url, "SELECT topic, value FROM outbox WHERE key = %s", learner.encode())
        values = [json.loads(value) for topic, value in rows if topic == deployment.levels]
        return [(value["previous_level"], value["level"]) for value in values]

    assert await published("ada") == []
    assert await published("bob", EMIT_LEVEL_CHANGES="true") == [("beginner", "intermediate")]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("KAFKA_BOOTSTRAP", None, "PROGRESS_KAFKA_BOOTSTRAP is not set."),
        ("DATABASE_URL", None, "PROGRESS_DATABASE_URL is not set."),
        ("DATABASE_URL", "mysql://x/y", "PROGRESS_DATABASE_URL is wrong: .* postgresql://."),
        ("LANES", "many", "PROGRESS_LANES is wrong: .*"),
        (
            "DRAIN_TIMEOUT_SECONDS",
            "60",
            "PROGRESS_DRAIN_TIMEOUT_SECONDS is 60: it must be shorter than .*",
        ),
        (
            "KAFKA_SECURITY_PROTOCOL",
            "SASL_SSL",
            "PROGRESS_KAFKA_SASL_USERNAME and .* are needed .*",
        ),
        ("LEVEL_EXPERT__MEAN_GRADE", "90", "PROGRESS_LEVEL_EXPERT__MEAN_GRADE is no longer .*"),
        ("CATALOGUE_FILE", "nowhere.yaml", "PROGRESS_CATALOGUE_FILE is wrong: .*"),
        ("KAFKA_SSL_CA_FILE", "nowhere.pem", "PROGRESS_KAFKA_SSL_CA_FILE is wrong: .*"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(
    named: Deployment, variable: str, value: str | None, sentence: str
) -> None:
    variables = named.environment()
    if variable == "KAFKA_SSL_CA_FILE":
        variables["KAFKA_SECURITY_PROTOCOL"] = "SSL"
    if value is None:
        del variables[variable]
    else:
        variables[variable] = value
    done = run_command(variables, "worker")
    assert done.returncode == 1
    assert re.fullmatch(sentence + "\n", done.stderr), done.stderr
