"""The page's headers, its login, its tags and its refusals."""

from __future__ import annotations

import datetime as dt
import re
from http.cookies import SimpleCookie

import httpx
import psycopg
import pytest
from pydantic import SecretStr, ValidationError

from progress_worker.embedded.database import Database
from progress_worker.settings.view import ViewSettings
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

COOKIE = "progress_token"


async def look(stage: Stage, token: str | None = None, **headers: str) -> httpx.Response:
    """The page, by the header's token or nobody's."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return await stage.client.get("/", headers=headers)


async def look_with_cookie(stage: Stage, token: str, path: str = "/") -> httpx.Response:
    return await stage.client.get(path, headers={"Cookie": f"{COOKIE}={token}"})


def policy(answer: httpx.Response) -> dict[str, str]:
    parts = answer.headers["content-security-policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def assert_refused(answer: httpx.Response, status: int) -> None:
    """The answer is a page for people, reveals nothing and is not cached."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"] in answer.text
    assert "set-cookie" not in answer.headers
    assert "<h1>" in answer.text


async def test_the_bearer_token_opens_the_page(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    answer = await look(stage, stage.token())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<bdi>ada</bdi>" in answer.text


async def test_the_login_keeps_the_token_and_leads_to_the_page(stage: Stage) -> None:
    token = stage.token()
    answer = await stage.client.get("/login", params={"token": token})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert answer.headers["cache-control"] == "no-store"
    morsel = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert morsel.value == token
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "strict", "/")
    assert not morsel["secure"]
    assert not morsel["domain"]
    assert not morsel["max-age"]
    assert "<bdi>ada</bdi>" in (await look_with_cookie(stage, token)).text


async def test_over_https_the_cookie_stays_there(stage: Stage) -> None:
    answer = await stage.client.get(f"https://view.test/login?token={stage.token()}")
    assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["secure"]


async def test_a_bad_token_logs_nobody_in(stage: Stage) -> None:
    expired = stage.token(exp=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    for token in (
        "",
        "x",
        expired,
        stage.token(aud="another"),
        stage.token() + "x",
        "é",
        "a" * 9000,
    ):
        assert_refused(await stage.client.get("/login", params={"token": token}), 401)
    assert_refused(await stage.client.get("/login"), 401)


async def test_two_tokens_log_nobody_in(stage: Stage) -> None:
    token = stage.token()
    assert_refused(await stage.client.get(f"/login?token={token}&token={token}"), 422)


async def test_without_the_setting_there_is_no_login_and_no_cookie(
    migrated_database: Database, stages: StageMaker
) -> None:
    stage = await stages(migrated_database)
    token = stage.token()
    login = await stage.client.get("/login", params={"token": token})
    assert login.status_code == 404
    assert login.headers["content-type"] == "application/problem+json"
    assert_refused(await look_with_cookie(stage, token), 401)
    assert (await look(stage, token)).status_code == 200


def test_the_setting_needs_a_secret() -> None:
    with pytest.raises(ValidationError, match="PROGRESS_JWT_SECRET"):
        ViewSettings(
            view_database_url=SecretStr("postgresql://nowhere"),
            jwt_issuer="issuer",
            jwt_audience="audience",
            jwt_jwks_url="https://issuer.test/keys",
            view_development_login=True,
        )


async def test_the_cookie_opens_nothing_else(stage: Stage) -> None:
    token = stage.token()
    for path in (
        "",
        "/achievements",
        "/badges",
        "/statistics",
        "/history",
        "/streak",
        "/skill-levels",
    ):
        answer = await look_with_cookie(stage, token, f"/api/progress{path}")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
    export = await look_with_cookie(stage, token, "/api/progress/export")
    assert export.status_code == 401


async def test_the_header_counts_before_the_cookie(stage: Stage) -> None:
    cookie = f"{COOKIE}={stage.token('grace')}"
    assert "<bdi>ada</bdi>" in (await look(stage, stage.token("ada"), Cookie=cookie)).text
    assert_refused(await look(stage, "bad", Cookie=cookie), 401)


async def test_nobody_and_a_bad_token_are_refused(stage: Stage) -> None:
    nobody = await look(stage)
    assert_refused(nobody, 401)
    assert nobody.headers["www-authenticate"] == 'Bearer realm="progress"'
    expired = await look(stage, stage.token(exp=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
    assert_refused(expired, 401)
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]
    assert_refused(await look_with_cookie(stage, "x"), 401)


async def test_another_learner_needs_the_scope(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z", user_id="grace")
    refused = await stage.client.get(
        "/?user_id=grace", headers={"Authorization": f"Bearer {stage.token()}"}
    )
    assert_refused(refused, 403)
    operator = {"Authorization": f"Bearer {stage.token('op', scope='progress:read:any')}"}
    shown = await stage.client.get("/?user_id=grace", headers=operator)
    assert "<title>Progress of \u2068grace\u2069</title>" in shown.text
    for query in ("user_id=", "user_id=a%00b", "user_id=a&user_id=b"):
        assert_refused(await stage.client.get(f"/?{query}", headers=operator), 422)
        assert_refused(await stage.client.get(f"/export?{query}", headers=operator), 422)


async def test_whoever_may_see_the_page_may_export_from_it(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z", exercise_id="fizz-buzz")
    token = stage.token()
    for answer in (
        await look_with_cookie(stage, token, "/export?format=csv"),
        await stage.client.get("/export", headers={"Authorization": f"Bearer {token}"}),
    ):
        assert answer.status_code == 200
        assert set(answer.headers["vary"].split(", ")) >= {"Authorization", "Cookie"}
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert "fizz-buzz" in answer.text
    assert_refused(await stage.client.get("/export"), 401)
    headers = {"Authorization": f"Bearer {token}"}
    assert_refused(await stage.client.get("/export?user_id=grace", headers=headers), 403)
    assert_refused(await stage.client.get("/export?format=xml", headers=headers), 422)


async def test_the_policy_lets_only_the_pages_own_script_run(stage: Stage) -> None:
    for answer in (await look(stage, stage.token()), await look(stage)):
        assert policy(answer) == {
            "default-src": "'none'",
            "style-src": "'self'",
            "img-src": "'self'",
            "script-src": "'self'",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script>|\son\w+=|\sstyle=|javascript:", answer.text)


async def test_an_unchanged_page_is_not_sent_again(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    token = stage.token()
    first = await look(stage, token)
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "Authorization, Accept-Encoding, Accept-Language, Cookie"
    known = {"If-None-Match": first.headers["etag"]}
    again = await look(stage, token, **known)
    assert (again.status_code, again.content) == (304, b"")
    kept = ("etag", "vary", "cache-control", "content-security-policy")
    assert {name: again.headers[name] for name in kept} == {
        name: first.headers[name] for name in kept
    }
    assert (await look(stage, stage.token("grace"), **known)).status_code == 200
    stage.clock.set("2026-11-24T00:00:00Z")
    tomorrow = await look(stage, token, **known)
    assert "Nothing yet today." in tomorrow.text
    await stage.complete("2026-11-24T00:00:00Z")
    changed = await look(stage, token, **{"If-None-Match": tomorrow.headers["etag"]})
    assert "You have practised today." in changed.text


@pytest.mark.parametrize(
    "path", ["/", "/page.css", "/page.js", "/icon.svg", "/icons.svg", "/export"]
)
async def test_head_says_what_get_says(stage: Stage, path: str) -> None:
    headers = {"Authorization": f"Bearer {stage.token()}"}
    got = await stage.client.get(path, headers=headers)
    head = await stage.client.head(path, headers=headers)
    assert head.status_code == got.status_code == 200
    volatile = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in got.headers.items() if k not in volatile
    }


@pytest.mark.parametrize(
    "path", ["/", "/page.css", "/page.js", "/icon.svg", "/icons.svg", "/export", "/login"]
)
async def test_nothing_can_be_written(stage: Stage, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = await stage.client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
        ("/icons.svg", "image/svg+xml"),
    ],
)
async def test_what_the_page_loads_is_kept_for_good(
    stage: Stage, path: str, media_type: str
) -> None:
    page = await look(stage, stage.token())
    found = re.search(rf'(?:href|src)="({re.escape(path)}\?v=[0-9a-f]+)[#"]', page.text)
    assert found is not None
    versioned = await stage.client.get(found[1])
    assert versioned.headers["content-type"].startswith(media_type)
    assert versioned.headers["cache-control"] == "public, max-age=31536000, immutable"
    other = await stage.client.get(f"{path}?v=of-another-release")
    assert other.headers["cache-control"] == "no-cache"
    again = await stage.client.get(path, headers={"If-None-Match": other.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_database_that_is_away_is_told_to_a_person(stage: Stage) -> None:
    with psycopg.connect(stage.database.owner_url, autocommit=True) as connection:
        connection.execute(
            "REVOKE CONNECT ON DATABASE {} FROM PUBLIC, progress_view".format(
                f'"{stage.database.name}"'
            ).encode()
        )
    answer = await look(stage, stage.token())
    assert_refused(answer, 503)
    assert answer.headers["retry-after"]
