"""Postgres with `sslmode=verify-full`: everything works, and each mistake gets a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import OWNER_ROLE, VIEW_ROLE, WORKER_ROLE, Database
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.http.security.authentication import mint_token
from progress_worker.settings.view import load_token_settings
from tests.harness.certificates import Authority
from tests.harness.deploying import deploy
from tests.harness.encrypted_postgres import EncryptedPostgres
from tests.harness.events import completed
from tests.harness.maven import UnavailableError
from tests.harness.storage import fetch
from tests.harness.view import ViewProcess
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment, run_command

pytestmark = pytest.mark.integration

HOST = "localhost"
PASSWORDS = {WORKER_ROLE: "p@ss/word: of the worker", VIEW_ROLE: "p@ss/word: of the view"}
TOKENS = {
    "JWT_ISSUER": "https://issuer.test",
    "JWT_AUDIENCE": "progress",
    "JWT_SECRET": "thirty-two characters and a few more",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signed the server's certificate."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def encrypted(authority: Authority) -> Iterator[EncryptedPostgres]:
    """A server whose roles have to come with TLS and a password."""
    try:
        server = EncryptedPostgres(authority.issue(HOST), PASSWORDS)
    except UnavailableError as error:
        pytest.skip(f"PostgreSQL with TLS does not run here: {error}")
    with server:
        server.create_roles()
        yield server


@pytest.fixture(scope="module")
def addresses(encrypted: EncryptedPostgres, authority: Authority) -> dict[str, str]:
    """Each role's address of one database, which `migrate` has been run on."""
    encrypted.create_database("progress")
    addresses = {
        role: address(encrypted, role, authority.file)
        for role in (OWNER_ROLE, WORKER_ROLE, VIEW_ROLE)
    }
    done = run_command({"MIGRATE_DATABASE_URL": addresses[OWNER_ROLE]}, "migrate")
    assert done.returncode == 0, done.stderr
    return addresses


def address(server: EncryptedPostgres, role: str, authority: Path, host: str = HOST) -> str:
    password = f":{quote(PASSWORDS[role], safe='')}" if role in PASSWORDS else ""
    return (
        f"postgresql://{role}{password}@{host}:{server.port}/progress"
        f"?sslmode=verify-full&sslrootcert={authority}"
    )


@pytest.fixture
async def deployment(
    broker: Broker, encrypted: EncryptedPostgres, addresses: dict[str, str], tmp_path: Path
) -> Deployment:
    """A deployment on that database, without a worker."""
    plain = encrypted.database("progress").owner_url
    database = Database("progress", plain, addresses[WORKER_ROLE], addresses[VIEW_ROLE])
    return await deploy(broker.bootstrap, database, tmp_path, idempotent=False)


async def test_a_worker_and_a_view_on_it(deployment: Deployment) -> None:
    variables = {"VIEW_DATABASE_URL": deployment.database.view_url} | TOKENS
    settings = load_token_settings(**{name.lower(): text for name, text in TOKENS.items()})
    token = {"Authorization": f"Bearer {mint_token(settings, 'user-1')}"}
    async with deployment.worker() as worker, ViewProcess(variables, deployment.directory) as view:
        await deployment.publish(completed("user-1"))

        async def seen() -> bool:
            async with httpx.AsyncClient(timeout=10, headers=token) as client:
                answer = await client.get(f"{view.url}/api/progress")
            return answer.status_code == 200 and answer.json()["exercises_completed"] == 1

        await wait_until(seen, "the view shows what the worker has stored")
        sessions = fetch(
            deployment.database.owner_url,
            "SELECT usename, bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE usename <> 'postgres' GROUP BY usename ORDER BY usename",
        )
        assert sessions == [(VIEW_ROLE, True), (WORKER_ROLE, True)]
        assert await worker.terminate() == 0
    assert "p@ss" not in worker.said() + view.said()


#: What is wrong, and a part of what is said then.
REFUSALS = {
    "the authority": "certificate verify failed",
    "the host name": 'server certificate for "localhost" (and 1 other name) does not match host',
    "the password": "password authentication failed for user",
    "no encryption": "no pg_hba.conf entry for host",
}


@pytest.fixture
def wrong(
    encrypted: EncryptedPostgres, authority: Authority, tmp_path: Path
) -> dict[str, dict[str, str]]:
    """Each role's address with that mistake."""
    roles, another = (WORKER_ROLE, VIEW_ROLE), Authority(tmp_path, "another").file
    good = {role: address(encrypted, role, authority.file) for role in roles}
    return {
        "the authority": {role: address(encrypted, role, another) for role in roles},
        "the host name": {
            role: address(encrypted, role, authority.file, host=LOOPBACK) for role in roles
        },
        "the password": {role: url.replace("of%20the", "not") for role, url in good.items()},
        "no encryption": {
            role: url.partition("?")[0] + "?sslmode=disable" for role, url in good.items()
        },
    }


@pytest.mark.parametrize("mistake", REFUSALS)
def test_doctor_names_the_reason(
    deployment: Deployment, wrong: dict[str, dict[str, str]], mistake: str
) -> None:
    urls = wrong[mistake]
    variables = {"VIEW_DATABASE_URL": urls[VIEW_ROLE]} | TOKENS
    done = run_command(
        deployment.environment(DATABASE_URL=urls[WORKER_ROLE], **variables), "doctor"
    )
    assert done.returncode == 1
    complaints = [line for line in done.stdout.splitlines() if line.startswith("wrong")]
    assert [REFUSALS[mistake] in line for line in complaints] == [True, True]
    assert "word" not in done.stdout.replace("password", "") + done.stderr


@pytest.mark.parametrize("mistake", ["the authority", "the host name"])
def test_migrate_refuses_a_server_that_is_not_the_one(
    encrypted: EncryptedPostgres, authority: Authority, tmp_path: Path, mistake: str
) -> None:
    if mistake == "the authority":
        url = address(encrypted, OWNER_ROLE, Authority(tmp_path, "another").file)
    else:
        url = address(encrypted, OWNER_ROLE, authority.file, host=LOOPBACK)
    done = run_command({"MIGRATE_DATABASE_URL": url}, "migrate")
    assert done.returncode == 1
    assert done.stderr.startswith("Postgres cannot be reached: ")
    assert REFUSALS[mistake] in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_a_worker_and_a_view_wait_for_the_right_server(
    deployment: Deployment, wrong: dict[str, dict[str, str]]
) -> None:
    urls = wrong["the authority"]
    variables = {"VIEW_DATABASE_URL": urls[VIEW_ROLE]} | TOKENS
    async with (
        deployment.worker(await_ready=False, DATABASE_URL=urls[WORKER_ROLE]) as worker,
        ViewProcess(variables, deployment.directory, await_ready=False) as view,
    ):
        await wait_until(lambda: worker.has_said("certificate verify failed"), "it says why")

        async def refuses() -> bool:
            async with httpx.AsyncClient(timeout=10) as client:
                try:
                    return (await client.get(f"{view.url}/readyz")).status_code == 503
                except httpx.TransportError:
                    return False

        await wait_until(refuses, "the view is not ready")
        assert await worker.terminate() == 0
    failures = [json.loads(line) for line in worker.said().splitlines() if "verify failed" in line]
    assert failures[0]["event"] == "transient_failure"
    assert "p@ss" not in worker.said() + view.said()
