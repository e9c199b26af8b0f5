"""`doctor` on a healthy set-up and on broken ones, all of real parts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from progress_worker.doctor.findings import Finding, in_time
from progress_worker.doctor.postgres import clock_finding
from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from tests.harness.deploying import deploy
from tests.harness.worker import Deployment, run_command

pytestmark = pytest.mark.integration

TOKENS = {"JWT_ISSUER": "https://issuer.test", "JWT_AUDIENCE": "progress"}


@pytest.fixture
async def deployment(broker: Broker, migrated_database: Database, tmp_path: Path) -> Deployment:
    """A set-up in which all is well."""
    return await deploy(broker.bootstrap, migrated_database, tmp_path, idempotent=False)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A JWK set with one key for ES256."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    jwk = json.loads(ECAlgorithm.to_jwk(key)) | {"alg": "ES256", "use": "sig", "kid": "1"}
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [jwk]}))
    return path


def test_all_is_well(deployment: Deployment, key_file: Path) -> None:
    view = {"VIEW_DATABASE_URL": deployment.database.view_url, "JWT_JWKS_FILE": str(key_file)}
    done = _doctor(deployment, **view, **TOKENS)
    assert done.returncode == 0, done.stdout
    assert _wrong(done) == []
    assert f"ok     Kafka answers at {deployment.kafka.bootstrap}" in done.stdout
    wanted = f"All topics are as wanted, {deployment.completed} with 4 partitions."
    assert f"ok     {wanted}" in done.stdout
    assert f"ok     The consumer group {deployment.group} is Empty, members: 0." in done.stdout
    assert "ok     The database is at the revision of this release." in done.stdout
    assert "ok     The clocks of this host and of Postgres agree." in done.stdout
    assert "ok     The role progress_view can only read." in done.stdout
    assert "holds 1 usable keys." in done.stdout


def test_the_view_is_examined_alone(deployment: Deployment) -> None:
    only = {"VIEW_DATABASE_URL": deployment.database.view_url, "JWT_SECRET": 8 * "four"} | TOKENS
    done = run_command(only, "doctor", "--for", "api")
    assert done.returncode == 0, done.stdout
    assert "Kafka" not in done.stdout


def test_an_address_may_ask_for_the_server_that_takes_writes(deployment: Deployment) -> None:
    database, asks = deployment.database, "?target_session_attrs=read-write"
    done = _doctor(
        deployment,
        DATABASE_URL=database.worker_url + asks,
        VIEW_DATABASE_URL=database.view_url + asks,
        JWT_SECRET=8 * "four",
        **TOKENS,
    )
    assert _wrong(done) == []


def test_nothing_was_made_yet(deployment: Deployment, database: Database) -> None:
    done = _doctor(
        deployment, DATABASE_URL=database.worker_url, UNLOCKED_TOPIC=f"{deployment.prefix}missing"
    )
    assert done.returncode == 1
    assert _wrong(done) == [
        f"The topic {deployment.prefix}missing does not exist.",
        f"The database {database.name} has no tables of ours in the schemas of its search_path "
        '("$user", public): run `progress-worker migrate`, or give this address the search_path '
        "that the migration had.",
    ]


def test_kafka_and_the_keys_are_away(deployment: Deployment) -> None:
    port = free_port()
    done = _doctor(
        deployment,
        KAFKA_BOOTSTRAP=f"{LOOPBACK}:{port}",
        VIEW_DATABASE_URL=deployment.database.view_url,
        JWT_JWKS_URL=f"http://{LOOPBACK}:{port}/keys",
        **TOKENS,
    )
    assert done.returncode == 1
    assert _wrong(done) == [
        f"Kafka cannot be reached at {LOOPBACK}:{port} (PROGRESS_KAFKA_BOOTSTRAP): nothing listens "
        f"on port {port} of {LOOPBACK}.",
        f"The view cannot read keys from http://{LOOPBACK}:{port}/keys (PROGRESS_JWT_JWKS_URL): "
        f"Connect call failed ('{LOOPBACK}', {port}).",
    ]


def test_the_roles_are_the_wrong_ones(deployment: Deployment) -> None:
    database = deployment.database
    with psycopg.connect(database.owner_url, connect_timeout=10) as connection:
        connection.execute("REVOKE DELETE ON outbox FROM progress_worker")
    done = _doctor(
        deployment, VIEW_DATABASE_URL=database.worker_url, JWT_SECRET=8 * "four", **TOKENS
    )
    assert done.returncode == 1
    assert _wrong(done) == [
        "The role progress_worker lacks DELETE on outbox: run `progress-worker migrate`, which "
        "grants it.",
        "The role progress_worker can write to tables that the view only reads: give "
        "PROGRESS_VIEW_DATABASE_URL a role that can only read.",
    ]


def test_the_owner_is_more_than_a_worker_needs(deployment: Deployment) -> None:
    changes = {"DATABASE_URL": deployment.database.owner_url}
    done = run_command(deployment.environment(**changes), "doctor", "--for", "worker")
    assert done.returncode == 1
    assert _wrong(done) == [
        "The role postgres can shorten the list of erased learners, which no worker needs: give "
        "PROGRESS_DATABASE_URL a role with the rights of progress_worker and no more."
    ]


def test_the_view_s_login_in_the_worker_s_settings(deployment: Deployment) -> None:
    changes = {"DATABASE_URL": deployment.database.view_url}
    done = run_command(deployment.environment(**changes), "doctor", "--for", "worker", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["well"] is False
    assert [found["sentence"] for found in report["findings"] if found["wrong"]] == [
        "The role progress_view can only read, as the view's role does: give PROGRESS_DATABASE_URL "
        "the worker's login."
    ]


def test_a_password_is_never_told(deployment: Deployment) -> None:
    with psycopg.connect(deployment.database.worker_url, connect_timeout=10) as connection:
        port = connection.info.port
    url = f"postgresql://nobody:a-password@{LOOPBACK}:{port}/nowhere"
    done = _doctor(deployment, DATABASE_URL=url)
    assert done.returncode == 1
    assert "a-password" not in done.stdout + done.stderr
    assert 'role "nobody" does not exist' in done.stdout


async def test_what_does_not_answer_is_not_waited_for(silent_port: int) -> None:
    async def ask() -> list[Finding]:
        reader, writer = await asyncio.open_connection(LOOPBACK, silent_port)
        with contextlib.closing(writer):
            await reader.read()
        return []

    assert await in_time("It", ask, 0.2) == [Finding("It did not answer within 0.2 s.", wrong=True)]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with contextlib.closing(socket.create_server((LOOPBACK, 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("ahead", "wrong", "part"),
    [(0.9, False, "agree"), (-0.9, False, "agree"), (2, True, "2.0 s ahead"), (-3, True, "behind")],
)
def test_clocks_that_differ_are_told(ahead: float, wrong: bool, part: str) -> None:
    finding = clock_finding(ahead)
    assert finding.wrong is wrong
    assert part in finding.sentence


def _doctor(deployment: Deployment, **changes: str) -> subprocess.CompletedProcess[str]:
    return run_command(deployment.environment(**changes), "doctor")


def _wrong(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = done.stdout.splitlines()
    return [line.removeprefix("wrong  ") for line in lines if line.startswith("wrong  ")]
