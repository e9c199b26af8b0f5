"""Deadlocks and serialization failures while events flow; nothing is lost or doubled."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg import sql

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.faults.rounds import rounds
from tests.harness.fleet import Fleet
from tests.harness.ledger import Ledger
from tests.harness.storage import fetch
from tests.harness.traffic import Traffic

pytestmark = pytest.mark.integration

INJECTED = ("SerializationFailure 40001", "DeadlockDetected 40P01", "LockNotAvailable 55P03")

#: The number drawn from a sequence decides, so the result depends on the seed in any session.
MISFORTUNE = """
CREATE SEQUENCE drawn;
CREATE FUNCTION misfortune() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    number bigint := nextval('drawn');
    one_in integer := TG_ARGV[1];
BEGIN
    IF hashint8extended(number, TG_ARGV[0]::bigint) % one_in = 0 THEN
        RAISE 'misfortune'
            USING ERRCODE = (ARRAY['40001', '40P01', '55P03'])[1 + number % 3];
    END IF;
    RETURN NULL;
END $$;
"""
#: The last one fails a transaction at its commit.
TRIGGERS = """
CREATE TRIGGER misfortune BEFORE INSERT OR UPDATE ON learner
    FOR EACH STATEMENT EXECUTE FUNCTION misfortune({seed}, 12);
CREATE TRIGGER misfortune BEFORE INSERT OR UPDATE ON completion
    FOR EACH STATEMENT EXECUTE FUNCTION misfortune({seed}, 12);
CREATE TRIGGER misfortune BEFORE INSERT ON achievement_unlock
    FOR EACH STATEMENT EXECUTE FUNCTION misfortune({seed}, 12);
CREATE TRIGGER misfortune BEFORE INSERT OR DELETE ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION misfortune({seed}, 12);
CREATE CONSTRAINT TRIGGER misfortune_at_commit AFTER INSERT OR UPDATE ON completion
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION misfortune({seed}, 300);
"""


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_injected_at_every_statement(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, count=1_500, fair=True)
    with psycopg.connect(migrated_database.owner_url, connect_timeout=10) as owner:
        owner.execute(MISFORTUNE)
        owner.execute(sql.SQL(TRIGGERS).format(seed=seed))
    async with Fleet(deployment, 2) as fleet:
        await traffic.send(rate=250)
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
        counts = [fleet.times_said(text) for text in INJECTED]
    assert all(counts)
    assert traffic.lost
    ledger.add("deadlocks, serialization failures injected", traffic, sum(counts))


@pytest.mark.parametrize("seed", rounds(quick=1, all_in_all=5))
async def test_deadlocks(
    impatient: Deploy, broker: Broker, migrated_database: Database, ledger: Ledger, seed: int
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed, count=1_500, fair=True)
    url = migrated_database.owner_url
    await traffic.send(300)
    async with Fleet(deployment, 2) as fleet:
        await traffic.drained()
        async with traffic.flowing(rate=250):
            for _ in range(2):
                await fall_foul(url, fleet)
        assert await traffic.differences() == []
        assert fleet.ends == [], fleet.last_words
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert fetch(url, deadlocks)[0][0] >= 2
    ledger.add("deadlocks with another session", traffic, 2)


async def fall_foul(url: str, fleet: Fleet) -> None:
    """Lock learners in the order opposite to the workers', so that one of them is the victim.

    A session looks for a deadlock once, after `deadlock_timeout`. A worker's is shorter, so it
    looks first and is the victim.
    """
    connecting = psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10)
    async with await connecting as other, asyncio.timeout(40):
        await other.execute("SET deadlock_timeout = '30s'")
        hearing = asyncio.create_task(fleet.says(INJECTED[1]))
        while not hearing.done():
            async with other.transaction(force_rollback=True):
                await other.execute("SELECT FROM learner ORDER BY user_id DESC LIMIT 5 FOR UPDATE")
                await asyncio.sleep(0.3)
                await other.execute("SELECT FROM learner ORDER BY user_id DESC FOR UPDATE")
            await asyncio.sleep(0.1)
        await hearing
