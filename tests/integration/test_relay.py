"""The relay keeps the order of keys, deletes what is acknowledged, and works alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from progress_worker.app import Worker
from progress_worker.demo.read import read_topic
from progress_worker.embedded.broker import Broker
from progress_worker.storage.database import connect
from progress_worker.storage.write.outbox import OutboxRecord
from progress_worker.storage.write.saving import Changes, save
from tests.harness.apache_kafka import Cluster
from tests.harness.events import completed, records
from tests.harness.kafka import Kafka
from tests.harness.storage import Rows, fetch, settle
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

RELAY_SESSION = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@asynccontextmanager
async def relaying(deployment: Deployment, **changes: str) -> AsyncIterator[Worker]:
    """The relay of a worker without its other services, running in this process."""
    worker = Worker(deployment.settings(**changes))
    await worker.relay.start()
    try:
        yield worker
    finally:
        await worker.relay.stop()
        await worker.engine.dispose()


async def owe(deployment: Deployment, *records: OutboxRecord) -> None:
    """Commit records to the outbox."""
    worker = Worker(deployment.settings())
    async with connect(worker.engine) as connection:
        await save(connection, Changes(()), records)
        await connection.commit()
    await worker.engine.dispose()


def numbered(topic: str, count: int, start: int = 0) -> list[OutboxRecord]:
    return [
        OutboxRecord(topic, b"key-%d" % (n % 5), b"%d" % n, [("n", b"%d" % n), ("none", None)])
        for n in range(start, start + count)
    ]


def waiting(deployment: Deployment) -> Rows:
    return fetch(deployment.database.owner_url, "SELECT id, parked FROM outbox ORDER BY id")


def leads(worker: Worker) -> bool:
    return worker.metrics.registry.get_sample_value("progress_relay_leader") == 1.0


async def leadership(worker: Worker) -> None:
    async def leading() -> bool:
        return leads(worker)

    await wait_until(leading, "the relay leads")


def failures(worker: Worker) -> float:
    """How often the relay had to try again."""
    labels = {"part": "relay"}
    return worker.metrics.registry.get_sample_value("progress_retries_total", labels) or 0.0


async def all_published(deployment: Deployment) -> None:
    async def empty() -> bool:
        return not [row for row in waiting(deployment) if row[1] is None]

    await wait_until(empty, "the outbox is empty")


async def test_records_keep_their_order_per_key_and_their_bytes(deployment: Deployment) -> None:
    await owe(deployment, *numbered(deployment.unlocked, 100))
    async with relaying(deployment, OUTBOX_BATCH="7"):
        await owe(deployment, *numbered(deployment.unlocked, 100, start=100))
        found = await deployment.kafka.read(deployment.unlocked, 200)
        await all_published(deployment)
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for record in found:
        by_key[record.key].append(int(record.value))
        assert list(record.headers) == [("n", record.value), ("none", None)]
    assert len(by_key) == 5
    for numbers in by_key.values():
        assert numbers == sorted(set(numbers))


async def test_a_batch_wakes_the_relay_of_its_worker(deployment: Deployment) -> None:
    async with relaying(deployment, OUTBOX_POLL_SECONDS="600") as worker:
        await settle(worker)
        await leadership(worker)
        for user_id in ("ada", "bo"):
            decoded = worker.projector.decode(records(completed(user_id)))
            await worker.projector.commit(*decoded)
            await all_published(deployment)
    found = await deployment.kafka.read(deployment.unlocked, 2)
    assert {record.key for record in found} == {b"ada", b"bo"}


async def test_a_batch_wakes_the_relay_of_another_worker(deployment: Deployment) -> None:
    async with relaying(deployment, OUTBOX_POLL_SECONDS="600") as leader:
        await leadership(leader)
        async with relaying(deployment, OUTBOX_POLL_SECONDS="600") as other:
            await settle(other)
            for user_id in ("ada", "bo"):
                decoded = other.projector.decode(records(completed(user_id)))
                await other.projector.commit(*decoded)
                await all_published(deployment)
            assert leads(leader)
    found = await deployment.kafka.read(deployment.unlocked, 2)
    assert {record.key for record in found} == {b"ada", b"bo"}


async def test_a_broker_without_idempotent_producers_is_logged_with_the_setting(
    deployment: Deployment,
) -> None:
    with capture_logs() as logged:
        async with relaying(deployment, KAFKA_IDEMPOTENT_PRODUCER="true"):

            async def named() -> bool:
                return any("KAFKA_IDEMPOTENT_PRODUCER=false" in str(entry) for entry in logged)

            await wait_until(named, "the setting is named")


async def test_a_record_waits_in_the_outbox_until_kafka_has_it(deployment: Deployment) -> None:
    with Broker() as broker:
        kafka = Kafka(broker.bootstrap)
        await kafka.create(*deployment.topics)
        deployment.kafka = kafka
        settings = {"KAFKA_REQUEST_TIMEOUT_SECONDS": "2"}
        async with relaying(deployment, **settings) as worker:

            async def failed() -> bool:
                return failures(worker) > 0

            await leadership(worker)
            broker.kill()
            await owe(deployment, *numbered(deployment.unlocked, 10))
            await wait_until(failed, "a publication has failed")
            assert len(waiting(deployment)) == 10
            broker.start()
            await kafka.create(*deployment.topics)
            found = await kafka.read(deployment.unlocked, 10)
            await all_published(deployment)
    assert {record.value for record in found} == {b"%d" % n for n in range(10)}


async def test_one_of_two_relays_leads_and_the_other_takes_over(deployment: Deployment) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(relaying(deployment))
        other = await stack.enter_async_context(relaying(deployment))

        async def one_leads() -> bool:
            return leads(one) != leads(other)

        async def new_session() -> bool:
            return fetch(url, RELAY_SESSION) not in ([], session) and leads(one) != leads(other)

        await wait_until(one_leads, "one relay leads")
        url = deployment.database.owner_url
        session = fetch(url, RELAY_SESSION)
        assert len(session) == 1
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", session[0])
        await wait_until(new_session, "a relay leads in a new session")
        await owe(deployment, *numbered(deployment.unlocked, 5))
        await all_published(deployment)
        leader, follower = (one, other) if leads(one) else (other, one)
        await leader.relay.stop()

        async def follower_leads() -> bool:
            return leads(follower)

        await wait_until(follower_leads, "the other relay leads")
        await owe(deployment, *numbered(deployment.unlocked, 5, start=5))
        await all_published(deployment)
    found = await deployment.kafka.read(deployment.unlocked, 10)
    assert sorted(int(record.value) for record in found) == list(range(10))


async def test_what_cannot_be_deleted_is_not_sent_over_and_over(deployment: Deployment) -> None:
    """Postgres is read-only, like a standby: what was sent could not be deleted."""
    await owe(deployment, *numbered(deployment.unlocked, 10))
    url = deployment.database.owner_url
    name = sql.Identifier(deployment.database.name)
    with psycopg.connect(url, autocommit=True) as owner:
        alter = sql.SQL("ALTER DATABASE {} {} default_transaction_read_only")
        owner.execute(alter.format(name, sql.SQL("SET")) + sql.SQL(" = on"))
        async with relaying(deployment) as worker:

            async def failed() -> bool:
                return failures(worker) >= 3

            await wait_until(failed, "the relay has tried three times")
            owner.execute(alter.format(name, sql.SQL("RESET")))
            await all_published(deployment)
    found = await read_topic(deployment.settings(), deployment.unlocked)
    assert sorted(int(record.value) for record in found) == list(range(10))


async def test_a_record_too_large_for_kafka_is_parked_and_holds_up_no_other(
    deployment: Deployment,
) -> None:
    large = OutboxRecord(deployment.dead_letters, b"key-0", b"x" * 5_000_000, [])
    small = numbered(deployment.dead_letters, 10)
    await owe(deployment, *small[:5], large, *small[5:])
    async with relaying(deployment):
        found = await deployment.kafka.read(deployment.dead_letters, 10)
        await all_published(deployment)
    assert {record.value for record in found} == {record.value for record in small}
    assert [parked for _, parked in waiting(deployment)] == ["MessageSizeTooLargeError"]


async def test_what_came_before_a_missing_topics_record_is_sent_once(
    deployment: Deployment, apache_kafka: Cluster
) -> None:
    """The embedded broker creates a topic that a client asks for."""
    deployment.kafka = Kafka(apache_kafka.bootstrap)
    await deployment.kafka.create(deployment.unlocked)
    missing = f"{deployment.unlocked}-later"
    await owe(deployment, *numbered(deployment.unlocked, 20), OutboxRecord(missing, b"k", b"v", []))
    async with relaying(deployment, KAFKA_REQUEST_TIMEOUT_SECONDS="3") as worker:

        async def missed() -> bool:
            return failures(worker) > 0

        await wait_until(missed, "the topic is missed")
        assert len(waiting(deployment)) == 1
        await deployment.kafka.create(missing)
        await all_published(deployment)
    found = await read_topic(deployment.settings(), deployment.unlocked)
    assert sorted(int(record.value) for record in found) == list(range(20))


async def test_a_stopped_relay_leaves_each_record_on_one_side(deployment: Deployment) -> None:
    """Either Kafka has it or the outbox has it: a stop doubles nothing."""
    await owe(deployment, *numbered(deployment.unlocked, 2000))

    async def begun() -> bool:
        return len(waiting(deployment)) < 2000

    async with relaying(deployment, OUTBOX_BATCH="20"):
        await wait_until(begun, "some records are published")
    left = {value for (value,) in fetch(deployment.database.owner_url, "SELECT value FROM outbox")}
    found = await deployment.kafka.read(deployment.unlocked, 2000 - len(left))
    published = [record.value for record in found]
    assert len(published) == len(set(published))
    assert left.isdisjoint(published)
