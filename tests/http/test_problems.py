"""Errors as problem details, request ids, headers, HEAD, and hostile input."""

from __future__ import annotations

import re

import httpx
import psycopg
import pytest
import structlog

from tests.http.stage import Stage

pytestmark = pytest.mark.integration

PATHS = (
    "/api/progress",
    "/api/progress/achievements",
    "/api/progress/achievements/first",
    "/api/progress/achievements/first/explanation",
    "/api/progress/badges",
    "/api/progress/statistics",
    "/api/progress/history",
    "/api/progress/streak",
    "/api/progress/skill-levels",
    "/api/progress/skill-levels/graphs",
    "/api/progress/export",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
)


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]


async def test_404(empty_stage: Stage) -> None:
    for path in ("/nowhere", "/api/progress/", "/api", "/livez/", "/redoc"):
        assert_problem(await empty_stage.client.get(path), 404)


@pytest.mark.parametrize("path", PATHS)
async def test_405(empty_stage: Stage, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
        answer = await empty_stage.client.request(method, path)
        assert_problem(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", PATHS)
async def test_head_says_what_get_says(empty_stage: Stage, path: str) -> None:
    headers = {"Authorization": f"Bearer {empty_stage.token()}"}
    got = await empty_stage.client.get(path, headers=headers)
    head = await empty_stage.client.head(path, headers=headers)
    assert head.status_code == got.status_code == 200
    volatile = {"x-request-id", "content-length"}
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in got.headers.items() if k not in volatile
    }


@pytest.mark.parametrize("path", PATHS)
async def test_headers_of_every_answer(empty_stage: Stage, path: str) -> None:
    headers = {"Authorization": f"Bearer {empty_stage.token()}"}
    for answer in (
        await empty_stage.client.get(path, headers=headers),
        await empty_stage.client.post(path),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"]


async def test_swagger_ui_runs_no_script_but_its_own(empty_stage: Stage) -> None:
    policy = (await empty_stage.client.get("/docs")).headers["content-security-policy"]
    script = re.search(r"script-src ([^;]+)", policy)
    assert script is not None
    assert "'sha256-" in script[1]
    assert "unsafe" not in script[1]


async def test_422(empty_stage: Stage) -> None:
    answer = await empty_stage.get("/statistics", period="yearly")
    assert_problem(answer, 422)
    assert answer.json()["errors"][0]["location"] == "query.period"


async def test_500_says_nothing_and_logs_everything(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    with psycopg.connect(stage.database.owner_url, autocommit=True) as connection:
        connection.execute("""UPDATE learner SET counters = '"no counters"'""")
    with structlog.testing.capture_logs() as logs:
        answer = await stage.get("/achievements", headers={"X-Request-Id": "abc-123"})
    assert_problem(answer, 500)
    assert "counters" not in answer.text
    assert "ada" not in answer.text
    failure = next(entry for entry in logs if entry["event"] == "view_request_failed")
    assert failure["exc_info"]


async def test_what_postgres_refuses_is_503_and_the_log_says_what(stage: Stage) -> None:
    with psycopg.connect(stage.database.owner_url, autocommit=True) as connection:
        connection.execute("REVOKE SELECT ON skill_level FROM progress_view")
    with structlog.testing.capture_logs() as logs:
        answer = await stage.get("")
    assert_problem(answer, 503)
    assert "skill_level" not in answer.text
    (said,) = [entry["reason"] for entry in logs if entry["event"] == "view_request"]
    assert said == "Postgres: permission denied for table skill_level"


async def test_a_sane_request_id_is_kept_and_any_other_replaced(empty_stage: Stage) -> None:
    kept = await empty_stage.client.get("/nowhere", headers={"X-Request-Id": "0f8f-ad.5b_1"})
    assert kept.headers["x-request-id"] == "0f8f-ad.5b_1"
    for hostile in ("", "a" * 65, "a b", "<script>", "a\tb", "é"):
        answer = await empty_stage.client.get(
            "/nowhere", headers=[(b"X-Request-Id", hostile.encode("latin-1"))]
        )
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
        assert_problem(answer, 404)


async def test_the_log_has_the_request_id_and_no_learner(empty_stage: Stage) -> None:
    contexts = []

    def spy(_logger: object, _name: str, event: structlog.typing.EventDict) -> str:
        contexts.append(dict(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, spy])
    try:
        await empty_stage.get(
            "/history",
            scope="progress:read:any",
            user_id="secretive",
            days="secretive",
            headers={"X-Request-Id": "r-1"},
        )
    finally:
        structlog.configure(**before)
    (line,) = contexts
    assert line["request_id"] == "r-1"
    assert line["route"] == "/api/progress/history"
    assert repr(line["status"]) == "422"
    assert "secretive" not in str(line)


@pytest.mark.parametrize(
    "user_id",
    [
        "100%",
        "%s %d %(user_id)s",
        "'; DROP TABLE learner; --",
        '"quoted"',
        "\\x00",
        "{0}",
        "مرحبا\u202eabc",
        "😀" * 128,
        "../../etc/passwd",
        "a&user_id=b",
        "\u2028\ufeff",
        " ",
    ],
)
async def test_hostile_learners(stage: Stage, user_id: str) -> None:
    await stage.complete("2026-11-23T10:00:00Z", user_id=user_id)
    for path in (
        "",
        "/achievements",
        "/statistics",
        "/history",
        "/streak",
        "/skill-levels",
        "/export",
    ):
        answer = await stage.get(path, "operator", scope="progress:read:any", user_id=user_id)
        assert answer.status_code == 200, path
        assert stage.token(user_id)
    own = await stage.read("", user_id)
    assert own["user_id"] == user_id
    assert own["exercises_completed"] == 1
    csv = await stage.get("/export", user_id, format="csv")
    assert csv.text.count("\r\n") == 2


@pytest.mark.parametrize(
    "query",
    [
        "user_id=",
        "user_id=a%00b",
        "user_id=" + "a" * 129,
        "user_id=" + "%F0%9F%98%80" * 129,
        "user_id=a&user_id=b",
    ],
)
async def test_what_cannot_be_a_learner(empty_stage: Stage, query: str) -> None:
    token = empty_stage.token(scope="progress:read:any")
    answer = await empty_stage.client.get(
        f"/api/progress?{query}", headers={"Authorization": f"Bearer {token}"}
    )
    assert_problem(answer, 422)


@pytest.mark.parametrize("path", ["a%00b", "a" * 129, ""])
async def test_what_cannot_be_a_topic(empty_stage: Stage, path: str) -> None:
    assert_problem(await empty_stage.get(f"/skill-levels/{path}"), 422)


async def test_metrics_hold_templates_and_no_learner(stage: Stage) -> None:
    await stage.get("/skill-levels/secretive")
    await stage.client.get("/secretive")
    await stage.client.request("BREW", "/livez")
    text = (await stage.client.get("/metrics")).text
    name = "progress_view_request_duration_seconds_count"
    assert (
        f'{name}{{method="GET",route="/api/progress/skill-levels/{{topic}}",status="200"}}' in text
    )
    assert f'{name}{{method="GET",route="unmatched",status="404"}}' in text
    assert f'{name}{{method="OTHER",route="/livez",status="405"}}' in text
    assert "secretive" not in text
