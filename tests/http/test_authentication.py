"""Tokens: which are accepted, which are refused, and how little a refusal says."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json

import jwt
import pytest

from progress_worker.embedded.database import Database
from progress_worker.errors import ConfigurationError, FatalError
from progress_worker.http.security.authentication import READ_ANY, mint_token
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

ERRORS = "application/problem+json"
NOW = dt.datetime.now(dt.UTC)
HOUR = dt.timedelta(hours=1)
DEEP_CLAIMS = b'{"a":' * 1_000 + b"1" + b"}" * 1_000
OTHER_SECRET = "a secret that nobody but a forger knows or would ever use"


@pytest.fixture
def stage(empty_stage: Stage) -> Stage:
    """None of these tests writes anything."""
    return empty_stage


def part(content: object) -> str:
    """A part of a hand-made token."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": NOW - HOUR}, id="expired"),
        pytest.param({"nbf": NOW + HOUR}, id="not yet valid"),
        pytest.param({"iat": NOW + HOUR}, id="from the future"),
        pytest.param({"aud": "another-service"}, id="wrong audience"),
        pytest.param({"aud": ["another-service", "a-third"]}, id="wrong audiences"),
        pytest.param({"iss": "https://forger.test"}, id="wrong issuer"),
        pytest.param({"sub": None}, id="no subject"),
        pytest.param({"sub": ""}, id="empty subject"),
        pytest.param({"sub": "a" * 129}, id="too long a subject"),
        pytest.param({"sub": "a\0b"}, id="a subject with NUL"),
        pytest.param({"sub": "a\ud800"}, id="a subject with half a character"),
        pytest.param({"exp": None}, id="no expiry"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"exp": "soon"}, id="an expiry that is no number"),
        pytest.param({"exp": float("inf")}, id="an infinite expiry"),
        pytest.param({"exp": [[]]}, id="an expiry that is a list"),
        pytest.param({"aud": [[]]}, id="an audience that is a list of lists"),
        pytest.param({"aud": {}}, id="an audience that is an object"),
    ],
)
async def test_claims_that_are_refused(stage: Stage, claims: dict[str, object]) -> None:
    await refused(stage, f"Bearer {stage.token(**claims)}")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Basic YWRhOmFkYQ==",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer a.b.c.d.e",
        "Bearer " + "a" * 20_000,
        f"Bearer {part(b'not json')}.{part({'sub': 'ada'})}.x",
        f"Bearer {part([])}.{part({'sub': 'ada'})}.x",
        f"Bearer {part(b'[' * 6_000)}.{part({'sub': 'ada'})}.x",
        f"Bearer {part(3_000 * b'[' + 3_000 * b']')}.{part({'sub': 'ada'})}.x",
        f"Bearer {part({'alg': 'HS256'})}.{part(DEEP_CLAIMS)}.x",
        f"Bearer {part({'alg': None})}.{part({'sub': 'ada'})}.x",
        f"Bearer {part({'alg': ['HS256']})}.{part({'sub': 'ada'})}.x",
        f"Bearer {part({'alg': 'HS256', 'kid': 7})}.{part({'sub': 'ada'})}.x",
        f"Bearer {part({'alg': 'HS512'})}.{part({'sub': 'ada'})}.x",
        f"Bearer {part({'alg': 'RS256'})}.{part({'sub': 'ada'})}.x",
        f"Bearer {part({'alg': 'none'})}.{part({'sub': 'ada'})}.",
        "Bearer \x7f\x01",
        "Bearer ünïcode",
    ],
)
async def test_headers_that_are_junk(stage: Stage, header: str) -> None:
    await refused(stage, header)


async def refused(stage: Stage, header: str) -> None:
    answer = await stage.client.get(
        "/api/progress", headers=[(b"Authorization", header.encode("latin-1"))]
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="progress"')
    assert answer.headers["content-type"] == ERRORS
    assert answer.headers["cache-control"] == "no-store"
    assert "ada" not in answer.json()["detail"]


async def test_a_request_without_a_token_is_told_so_without_an_error_code(stage: Stage) -> None:
    answer = await stage.client.get("/api/progress")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="progress"'


async def test_two_tokens_are_one_too_many(stage: Stage) -> None:
    good = f"Bearer {stage.token()}"
    headers = [("Authorization", good), ("Authorization", good)]
    answer = await stage.client.get("/api/progress", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["", "/achievements", "/history", "/export", "/skill-levels/x"])
async def test_every_path_needs_a_token_even_before_parameters_are_looked_at(
    stage: Stage, path: str
) -> None:
    answer = await stage.client.get(f"/api/progress{path}", params={"days": "x", "format": "x"})
    assert answer.status_code == 401


async def test_the_algorithm_none_and_a_forged_signature_are_refused(stage: Stage) -> None:
    good = stage.token()
    header, claims, signature = good.split(".")
    for forged in (
        f"{part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        f"{part({'alg': 'None', 'typ': 'JWT'})}.{claims}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}.{part(b'x' * 32)}",
        jwt.encode(jwt.decode(good, options={"verify_signature": False}), OTHER_SECRET, "HS256"),
        f"{part({'alg': 'HS256', 'crit': ['x'], 'x': 1})}.{claims}.{signature}",
    ):
        await refused(stage, f"Bearer {forged}")


async def test_a_token_with_unknown_critical_parameters_is_refused(stage: Stage) -> None:
    secret = stage.settings.jwt_secret
    assert secret is not None
    claims = stage.token().split(".")[1]
    signed = f"{part({'alg': 'HS256', 'crit': ['x'], 'x': 1})}.{claims}"
    digest = hmac.digest(secret.get_secret_value().encode(), signed.encode(), hashlib.sha256)
    await refused(stage, f"Bearer {signed}.{part(digest)}")


async def test_a_signed_token_with_deep_claims_is_refused(stage: Stage) -> None:
    secret = stage.settings.jwt_secret
    assert secret is not None
    signed = f"{part({'alg': 'HS256'})}.{part(DEEP_CLAIMS)}"
    digest = hmac.digest(secret.get_secret_value().encode(), signed.encode(), hashlib.sha256)
    await refused(stage, f"Bearer {signed}.{part(digest)}")


async def test_good_tokens(stage: Stage) -> None:
    for claims in (
        {},
        {"aud": ["another-service", stage.settings.jwt_audience]},
        {"nbf": NOW - HOUR, "iat": NOW - HOUR},
        {"scope": ["not", "a", "string"]},
        {"sub": "'; DROP TABLE learner; --"},
    ):
        answer = await stage.client.get(
            "/api/progress", headers={"authorization": f"bearer {stage.token(**claims)}"}
        )
        assert answer.status_code == 200, claims
        assert answer.json()["user_id"] == claims.get("sub", "ada")


@pytest.mark.parametrize(
    "scope", ["", "progress:read", "progress:read:anything", "PROGRESS:READ:ANY"]
)
async def test_another_learner_needs_the_scope(
    stages: StageMaker, migrated_database: Database, scope: str
) -> None:
    stage = await stages(migrated_database)
    await stage.complete("2026-11-23T10:00:00Z", user_id="known")
    refusals = [
        await stage.get("", scope=scope, user_id=user_id) for user_id in ("known", "unknown", "ada")
    ]
    bodies = [{**answer.json(), "request_id": None} for answer in refusals]
    assert [answer.status_code for answer in refusals] == [403] * 3
    assert bodies[0] == bodies[1] == bodies[2]


async def test_clocks_may_differ_by_the_leeway(
    stage: Stage, stages: StageMaker, migrated_database: Database
) -> None:
    half_a_minute_ago = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=30)
    token = f"Bearer {stage.token(exp=half_a_minute_ago)}"
    await refused(stage, token)
    lenient = await stages(migrated_database, jwt_leeway_seconds=300)
    answer = await lenient.client.get("/api/progress", headers={"Authorization": token})
    assert answer.status_code == 200


async def test_a_minted_token_opens_the_view(stage: Stage) -> None:
    token = mint_token(stage.settings, "operator", scope=READ_ANY, lifetime=HOUR)
    answer = await stage.client.get(
        "/api/progress?user_id=ada", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.json()["user_id"] == "ada"
    late = mint_token(stage.settings, "ada", lifetime=-HOUR)
    await refused(stage, f"Bearer {late}")


async def test_what_cannot_be_minted(stage: Stage) -> None:
    with pytest.raises(FatalError, match="128 characters"):
        mint_token(stage.settings, "")
    without = stage.settings.model_copy(update={"jwt_secret": None})
    with pytest.raises(ConfigurationError, match="PROGRESS_JWT_SECRET is not set"):
        mint_token(without, "ada")
