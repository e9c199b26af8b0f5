"""Public keys by JWKS: rotation, outages, confusion of algorithms."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from progress_worker import __version__
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

RSA_KEY = rsa.generate_private_key(65_537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
NEXT_KEY = ec.generate_private_key(ec.SECP256R1())


def rsa_jwk(kid: str = "rsa", **extra: str) -> dict[str, Any]:
    jwk = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key()))
    return {**jwk, "kid": kid, "use": "sig", "alg": "RS256", **extra}


def ec_jwk(key: ec.EllipticCurvePrivateKey = EC_KEY, kid: str = "ec") -> dict[str, Any]:
    return {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": kid}


class Issuer:
    """A JWKS endpoint whose answer can be changed, delayed and broken."""

    def __init__(self) -> None:
        self.keys = [rsa_jwk(), ec_jwk()]
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.released = threading.Event()
        self.released.set()
        self.dripping = False
        self.reads = 0
        self.user_agents: set[str] = set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.reads += 1
                issuer.user_agents.add(self.headers["User-Agent"])
                issuer.released.wait(20)
                self.send_response(issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                body = issuer.body or json.dumps({"keys": issuer.keys}).encode()
                with suppress(ConnectionError):  # the view hangs up if the answer is too long
                    while issuer.dripping and body:
                        self.wfile.write(body[:1])
                        body = body[1:]
                        time.sleep(0.05)
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"


@pytest.fixture(scope="module")
def database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    """None of these tests writes anything."""
    found = postgres.create_database("keys", migrated_template)
    yield found
    postgres.drop_database(found.name)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.released.set()
    found.server.shutdown()
    thread.join(10)
    found.server.server_close()


async def ask(stage: Stage, key: Any, algorithm: str, kid: str | None) -> httpx.Response:
    """Ask with a token that `key` signed."""
    claims = jwt.decode(stage.token(), options={"verify_signature": False})
    token = jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)
    return await stage.client.get("/api/progress", headers={"Authorization": f"Bearer {token}"})


async def status(
    stage: Stage, key: Any = EC_KEY, algorithm: str = "ES256", kid: str | None = "ec"
) -> int:
    return (await ask(stage, key, algorithm, kid)).status_code


async def open_stage(
    stages: StageMaker, database: Database, issuer: Issuer, **options: object
) -> Stage:
    """A view that trusts the issuer and no secret."""
    return await stages(
        database,
        **{"jwt_secret": None, "jwt_jwks_url": issuer.url, "jwt_jwks_retry_seconds": 0, **options},
    )


async def test_both_algorithms(stages: StageMaker, database: Database, issuer: Issuer) -> None:
    stage = await open_stage(stages, database, issuer)
    assert await status(stage) == 200
    assert await status(stage, RSA_KEY, "RS256", "rsa") == 200
    assert issuer.reads == 1


async def test_a_key_without_a_name_is_enough_when_there_is_one(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    stage = await open_stage(stages, database, issuer, jwt_jwks_cache_seconds=0)
    assert await status(stage, kid=None) == 200
    issuer.keys.append(ec_jwk(NEXT_KEY, "next"))
    assert await status(stage, kid=None) == 401


async def test_confusion_of_algorithms(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    stage = await open_stage(stages, database, issuer)
    public = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = stage.token().split(".")[1]
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"rsa"}')
    signed = header + b"." + claims.encode()
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    forged = signed + b"." + jwt.utils.base64url_encode(algorithm.sign(signed, public))
    answer = await stage.client.get(
        "/api/progress", headers={"Authorization": f"Bearer {forged.decode()}"}
    )
    assert answer.status_code == 401
    assert await status(stage, EC_KEY, "ES256", "rsa") == 401
    assert await status(stage, RSA_KEY, "RS256", "ec") == 401
    assert await status(stage, RSA_KEY, "PS256", "rsa") == 401
    assert await status(stage, NEXT_KEY, "ES256", "ec") == 401


async def test_a_key_for_encryption_verifies_nothing(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    issuer.keys = [rsa_jwk(use="enc")]
    stage = await open_stage(stages, database, issuer)
    assert await status(stage, RSA_KEY, "RS256", "rsa") == 401


async def test_rotation_without_a_restart(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    stage = await open_stage(stages, database, issuer)
    assert await status(stage) == 200
    assert await status(stage, NEXT_KEY, kid="next") == 401
    issuer.keys = [ec_jwk(NEXT_KEY, "next")]
    assert await status(stage, NEXT_KEY, kid="next") == 200
    assert await status(stage) == 401


async def test_unknown_keys_cannot_make_us_hammer_the_issuer(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    stage = await open_stage(stages, database, issuer, jwt_jwks_retry_seconds=3_600)
    for number in range(20):
        assert await status(stage, NEXT_KEY, kid=f"junk-{number}") == 401
    assert issuer.reads == 1


DEEP = 100_000
BROKEN: dict[str, dict[str, Any]] = {
    "status": {"status": 500},
    "no content": {"status": 204},
    "redirect to itself": {"status": 302, "headers": {"Location": "/keys"}},
    "page": {"body": b"<html>"},
    "not UTF-8": {"body": b'{"keys": ["\xff"]}'},
    "null": {"body": b"null"},
    "list": {"body": b"[]"},
    "number": {"body": b"7" * 5_000},
    "no keys": {"body": b'{"error": "maintenance"}'},
    "keys are an object": {"body": b'{"keys": {}}'},
    "keys are null": {"body": b'{"keys": null}'},
    "keys are numbers": {"body": b'{"keys": [7]}'},
    "nested lists": {"body": b'{"keys": ' + b"[" * DEEP + b"]" * DEEP + b"}"},
    "nested objects": {"body": b'{"a":' * DEEP + b"1" + b"}" * DEEP},
    "nested without an end": {"body": b"[" * DEEP},
    "huge": {"body": b'{"keys": []' + b" " * 2_000_000 + b"}"},
    "compressed": {
        "headers": {"Content-Encoding": "gzip"},
        "body": gzip.compress(b'{"keys": []' + b" " * 2_000_000 + b"}"),
    },
    "cut off": {"headers": {"Content-Length": "1000"}, "body": b'{"keys": []}'},
    "drip": {"dripping": True},
}


def break_down(issuer: Issuer, how: str) -> None:
    for name, value in BROKEN[how].items():
        setattr(issuer, name, value)


@pytest.mark.parametrize("how", BROKEN)
async def test_the_last_good_keys_stay(
    stages: StageMaker, database: Database, issuer: Issuer, how: str
) -> None:
    stage = await open_stage(
        stages, database, issuer, jwt_jwks_cache_seconds=0, jwt_jwks_timeout_seconds=1
    )
    assert await status(stage) == 200
    break_down(issuer, how)
    assert await status(stage) == 200
    answer = await ask(stage, NEXT_KEY, "ES256", "next")
    assert answer.status_code == 401
    assert failed_reads(stage) == 3


@pytest.mark.parametrize("how", BROKEN)
async def test_a_first_answer_that_is_no_key_set_is_an_outage(
    stages: StageMaker, database: Database, issuer: Issuer, how: str
) -> None:
    break_down(issuer, how)
    stage = await open_stage(stages, database, issuer, jwt_jwks_timeout_seconds=1)
    assert await status(stage) == 503
    assert failed_reads(stage) >= 1


async def test_a_source_that_says_nothing_is_an_outage(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    issuer.released.clear()
    stage = await open_stage(stages, database, issuer, jwt_jwks_timeout_seconds=0.3)
    assert await status(stage) == 503


def failed_reads(stage: Stage) -> float:
    registry = stage.app.context.metrics.registry
    found = registry.get_sample_value("progress_view_key_refreshes_total", {"result": "failed"})
    return found or 0.0


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [rsa_jwk(use="enc")],
        [{"kty": "OKP"}, {}, {"kty": ["EC"]}, ec_jwk() | {"alg": ["ES256"]}],
    ],
)
async def test_a_key_that_the_set_no_longer_holds_verifies_nothing(
    stages: StageMaker, database: Database, issuer: Issuer, keys: list[dict[str, Any]]
) -> None:
    stage = await open_stage(stages, database, issuer, jwt_jwks_cache_seconds=0)
    assert await status(stage) == 200
    issuer.keys = keys
    assert await status(stage) == 401
    assert await status(stage, RSA_KEY, "RS256", "rsa") == 401
    assert failed_reads(stage) == 0
    issuer.keys = [ec_jwk()]
    assert await status(stage) == 200


async def test_a_key_that_nobody_can_use_is_left_out(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    issuer.keys = [
        {"kty": "EC", "crv": "P-256", "x": 7, "y": {}},
        {"kty": "RSA", "alg": {}},
        ec_jwk(),
    ]
    stage = await open_stage(stages, database, issuer)
    assert await status(stage) == 200


async def test_the_issuer_knows_who_asks(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    stage = await open_stage(stages, database, issuer)
    assert await status(stage) == 200
    assert issuer.user_agents == {f"progress-worker/{__version__}"}


async def test_without_any_keys_the_view_is_unavailable_and_recovers(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    issuer.status = 503
    stage = await open_stage(stages, database, issuer)
    answer = await ask(stage, EC_KEY, "ES256", "ec")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert (await stage.client.get("/livez")).status_code == 200
    issuer.status = 200
    assert await status(stage) == 200


async def test_keys_from_a_file_that_is_replaced(
    stages: StageMaker, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [ec_jwk()]}))
    stage = await stages(database, jwt_secret=None, jwt_jwks_file=file, jwt_jwks_retry_seconds=0)
    assert await status(stage) == 200
    file.write_text(json.dumps({"keys": [ec_jwk(NEXT_KEY, "next")]}))
    assert await status(stage, NEXT_KEY, kid="next") == 200
    file.unlink()
    assert await status(stage, NEXT_KEY, kid="next") == 200
    assert await status(stage, kid="gone") == 401


async def test_a_secret_and_keys_side_by_side(
    stages: StageMaker, database: Database, issuer: Issuer
) -> None:
    stage = await stages(database, jwt_jwks_url=issuer.url)
    assert await status(stage) == 200
    assert (await stage.get("")).status_code == 200
