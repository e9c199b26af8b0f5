"""Scripts of allowed origins may read the API from a browser, and those of no others."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from progress_worker.embedded.database import Database
from progress_worker.errors import ConfigurationError
from progress_worker.settings.view import load_view_settings
from tests.http.stage import Stage, StageMaker
from tests.http.test_settings import GOOD

APP, OTHER_APP = "https://app.example", "http://localhost:5173"
PREFLIGHT = {"Origin": APP, "Access-Control-Request-Method": "GET"}
NOT_SHARED = ("/", "/livez", "/metrics", "/docs", "/openapi.json", "/nowhere")


@pytest.fixture
async def shared(migrated_database: Database, stages: StageMaker) -> Stage:
    return await stages(migrated_database, view_allowed_origins=f"{APP}, {OTHER_APP}")


def assert_shared(answer: httpx.Response, origin: str) -> None:
    assert answer.headers["access-control-allow-origin"] == origin
    exposed = answer.headers["access-control-expose-headers"]
    assert exposed == "ETag, X-Request-Id, Content-Language, Retry-After"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "access-control-allow-credentials" not in answer.headers
    assert varies(answer)[-1] == "Origin"


def assert_not_shared(answer: httpx.Response) -> None:
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def varies(answer: httpx.Response) -> list[str]:
    """Which headers of the request the answer depends on."""
    assert len(answer.headers.get_list("vary")) < 2
    return str(answer.headers.get("vary", "")).split(", ")


@pytest.mark.integration
@pytest.mark.parametrize("origin", [APP, OTHER_APP])
async def test_a_script_reads_every_answer(shared: Stage, origin: str) -> None:
    found = await shared.get("", headers={"Origin": origin})
    known = {"Origin": origin, "If-None-Match": found.headers["etag"]}
    exported = await shared.get("/export", headers={"Origin": origin})
    assert_shared(exported, origin)
    for status, answer in {
        200: found,
        304: await shared.get("", headers=known),
        422: await shared.get("/statistics", headers={"Origin": origin}, period="yearly"),
        401: await shared.client.get("/api/progress", headers={"Origin": origin}),
        404: await shared.client.get("/api/nowhere", headers={"Origin": origin}),
        405: await shared.client.post("/api/progress", headers={"Origin": origin}),
    }.items():
        assert answer.status_code == status
        assert_shared(answer, origin)
    assert varies(found) == ["Authorization", "Accept-Encoding", "Accept-Language", "Origin"]


@pytest.mark.integration
async def test_a_script_reads_what_went_wrong_on_our_side(shared: Stage) -> None:
    await shared.complete("2026-11-23T10:00:00Z")
    with psycopg.connect(shared.database.owner_url, autocommit=True) as connection:
        connection.execute("""UPDATE learner SET counters = '"no counters"'""")
        answer = await shared.get("/achievements", headers={"Origin": APP})
        assert answer.status_code == 500
        assert_shared(answer, APP)
        connection.execute("REVOKE SELECT ON skill_level FROM progress_view")
    answer = await shared.get("", headers={"Origin": APP})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert_shared(answer, APP)


@pytest.mark.integration
@pytest.mark.parametrize(
    "origin", ["https://evil.example", APP + ".evil.example", APP + ":8443", "null", "*", ""]
)
async def test_other_origins_get_nothing(shared: Stage, origin: str) -> None:
    answer = await shared.get("", headers={"Origin": origin})
    assert answer.status_code == 200
    assert_not_shared(answer)
    assert "Origin" in varies(answer)
    asked = await shared.client.options("/api/progress", headers={**PREFLIGHT, "Origin": origin})
    assert asked.status_code == 405
    assert_not_shared(asked)


@pytest.mark.integration
async def test_two_origins_get_nothing(shared: Stage) -> None:
    answer = await shared.client.get("/api/progress", headers=[("Origin", APP), ("Origin", APP)])
    assert_not_shared(answer)


@pytest.mark.integration
async def test_without_an_origin_the_answer_still_depends_on_it(shared: Stage) -> None:
    answer = await shared.get("")
    assert_not_shared(answer)
    assert "Origin" in varies(answer)


@pytest.mark.integration
@pytest.mark.parametrize("path", NOT_SHARED)
async def test_only_the_api_is_shared(shared: Stage, path: str) -> None:
    answer = await shared.client.get(path, headers={"Origin": APP})
    assert_not_shared(answer)
    assert "Origin" not in varies(answer)
    asked = await shared.client.options(path, headers=PREFLIGHT)
    assert asked.status_code in {404, 405}
    assert_not_shared(asked)


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/api/progress", "/api/progress/skill-levels/graphs"])
async def test_a_browser_may_ask_first(shared: Stage, path: str) -> None:
    answer = await shared.client.options(path, headers=PREFLIGHT)
    assert answer.status_code == 204
    assert answer.content == b""
    assert_shared(answer, APP)
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    allowed = answer.headers["access-control-allow-headers"]
    assert allowed == "Authorization, If-None-Match, Last-Event-ID, X-Request-Id"
    assert answer.headers["access-control-max-age"] == "600"


@pytest.mark.integration
async def test_what_is_no_preflight_is_not_allowed(shared: Stage, empty_stage: Stage) -> None:
    for headers in ({}, {"Origin": APP}, {"Access-Control-Request-Method": "GET"}):
        answer = await shared.client.options("/api/progress", headers=headers)
        assert answer.status_code == 405
    answer = await empty_stage.client.options("/api/progress", headers=PREFLIGHT)
    assert answer.status_code == 405
    assert_not_shared(answer)


@pytest.mark.integration
async def test_by_default_nothing_is_shared(empty_stage: Stage) -> None:
    answer = await empty_stage.get("", headers={"Origin": APP})
    assert_not_shared(answer)
    assert "Origin" not in varies(answer)


@pytest.mark.parametrize(
    "origins",
    [
        *("*", "null", "app.example", "https://", "https://*.example", "https://app.example/"),
        *("https://App.example", "HTTPS://app.example", "ftp://app.example", "https://a..example"),
        *("https://app.example:0", "https://app.example:65536", "https://app.example:443"),
        *("http://app.example:80", "https://bücher.example", "https://user@app.example"),
        *("https://app.example?a", "https://a.example https://b.example"),
        *(",", "https://app.example,", "https://a.example,,https://b.example"),
    ],
)
def test_an_origin_that_no_browser_sends(origins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PROGRESS_VIEW_ALLOWED_ORIGINS", f"{origins},{APP}")
    with pytest.raises(ConfigurationError) as caught:
        load_view_settings()
    assert str(caught.value).startswith("PROGRESS_VIEW_ALLOWED_ORIGINS is wrong: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "origin", [APP, OTHER_APP, "http://[::1]:8443", "https://xn--bcher-kva.de"]
)
def test_origins_as_browsers_send_them(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    assert load_view_settings().allowed_origins == ()
    monkeypatch.setenv("PROGRESS_VIEW_ALLOWED_ORIGINS", f" {origin} ,{APP}")
    assert load_view_settings().allowed_origins == (origin, APP)
