"""The runbook's rotation of keys and passwords: nobody is refused on the way, nothing is lost."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import VIEW_ROLE, WORKER_ROLE, Database
from tests.harness.deploying import deploy
from tests.harness.owned_postgres import PASSWORD, OwnedPostgres
from tests.harness.runbook import command
from tests.harness.storage import execute
from tests.harness.terminal import Terminal
from tests.harness.traffic import Traffic
from tests.harness.view import ViewProcess

pytestmark = pytest.mark.integration

ROTATE = "Rotate keys and passwords"
ISSUER = {"JWT_ISSUER": "https://issuer.test", "JWT_AUDIENCE": "progress"}
CACHE_SECONDS = 1.0
HOST, USER = "localhost", "progress"
NEXT_PASSWORD = "another-password"
PARKED_LONG_AGO: Final = (
    "INSERT INTO outbox (topic, key, value, headers, parked, created_at)"
    " VALUES ('t', '', '', '[]', 'MessageSizeTooLargeError', now() - interval '31 days')"
)


class Key:
    """A key of the issuer's, with its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> dict[str, str]:
        """As it stands in a JWK set."""
        jwk = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        return {**jwk, "kid": self.name, "alg": "ES256", "use": "sig"}

    def token(self, *, named: bool = True) -> str:
        """A token that it signed."""
        claims = {
            "sub": "ada",
            "iss": ISSUER["JWT_ISSUER"],
            "aud": ISSUER["JWT_AUDIENCE"],
            "exp": dt.datetime.now(dt.UTC) + dt.timedelta(hours=1),
        }
        headers = {"kid": self.name} if named else None
        return jwt.encode(claims, self._key, "ES256", headers)


async def test_keys_change_without_a_restart(migrated_database: Database, tmp_path: Path) -> None:
    old, new, file = Key("2026-10"), Key("2026-11"), tmp_path / "keys.json"

    def publish(*keys: Key) -> None:
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps({"keys": [key.public for key in keys]}))
        beside.replace(file)

    publish(old)
    variables = ISSUER | {
        "VIEW_DATABASE_URL": migrated_database.view_url,
        "JWT_JWKS_FILE": str(file),
        "JWT_JWKS_CACHE_SECONDS": str(CACHE_SECONDS),
        "JWT_JWKS_RETRY_SECONDS": "0",
    }
    async with ViewProcess(variables, tmp_path) as view, httpx.AsyncClient(timeout=10) as client:

        async def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return (await client.get(f"{view.url}/api/progress", headers=headers)).status_code

        assert [await status(old.token()), await status(old.token(named=False))] == [200, 200]
        publish(old, new)
        await asyncio.sleep(CACHE_SECONDS)
        assert [await status(old.token()), await status(new.token())] == [200, 200]
        assert await status(old.token(named=False)) == 401  # as the page warns
        publish(new)
        await asyncio.sleep(CACHE_SECONDS)
        assert [await status(old.token()), await status(new.token())] == [401, 200]


@pytest.fixture
def server() -> Iterator[OwnedPostgres]:
    """A server that asks for passwords."""
    with OwnedPostgres("owner") as server:
        server.create_owner()
        yield server


async def test_two_logins_take_turns(broker: Broker, server: OwnedPostgres, tmp_path: Path) -> None:
    database = server.migrated_database()
    deployment = await deploy(broker.bootstrap, database, tmp_path, idempotent=False)
    deployment.variables |= {"PARKED_RETENTION_DAYS": "30", "HOUSEKEEPING_SECONDS": "0.2"}
    terminal = Terminal(tmp_path, deployment.environment(), OWNER=server.url("progress", "owner"))
    traffic = Traffic(deployment, seed=1, count=600)
    sending = asyncio.create_task(traffic.send(rate=150))
    async with deployment.worker() as old:
        terminal.run(command(ROTATE, "CREATE ROLE", {"…": NEXT_PASSWORD}))
        first, second = f"{WORKER_ROLE}:{PASSWORD}@", f"{WORKER_ROLE}_b:{NEXT_PASSWORD}@"
        deployment.database = replace(
            database, worker_url=database.worker_url.replace(first, second)
        )
        terminal.variables = deployment.environment()
        assert "has all rights that the worker needs." in terminal.run(command(ROTATE, "doctor"))
        next_view(terminal, database)
        async with deployment.worker() as new:
            assert await old.terminate() == 0
            terminal.run(command(ROTATE, "NOLOGIN"))
            with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
                execute(database.worker_url, "SELECT 1")
            execute(database.owner_url, PARKED_LONG_AGO)
            await sending
            assert await traffic.differences() == []  # and so nothing is left in the outbox
            assert await new.terminate() == 0
    assert "transient_failure" not in old.said() + new.said()


def next_view(terminal: Terminal, database: Database) -> None:
    """The page: the same with `progress_view` for the view."""
    names = {"progress_worker": VIEW_ROLE, "…": NEXT_PASSWORD}
    terminal.run(command(ROTATE, "CREATE ROLE", names))
    url = database.view_url.replace(f"{VIEW_ROLE}:{PASSWORD}@", f"{VIEW_ROLE}_b:{NEXT_PASSWORD}@")
    viewing = {"VIEW_DATABASE_URL": url, "JWT_SECRET": 8 * "four"} | ISSUER
    told = Terminal(terminal.directory, viewing).run("progress-worker doctor --for api")
    assert f"The role {VIEW_ROLE}_b can only read." in told
