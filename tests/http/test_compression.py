"""Long answers are compressed for clients that accept gzip, and say the same."""

from __future__ import annotations

import gzip
import random

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from progress_worker.http.compression import accepts_gzip, compress
from progress_worker.http.computing import Computing
from tests.http.stage import Stage

GZIP, PLAIN = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}


async def sent(
    stage: Stage, path: str, headers: dict[str, str], method: str = "GET"
) -> httpx.Response:
    token = {"Authorization": f"Bearer {stage.token()}"}
    request = stage.client.build_request(method, path, headers=token | headers)
    return await stage.client.send(request, stream=True)


@pytest.mark.integration
@pytest.mark.parametrize(
    "path",
    [
        *("/api/progress/history?days=365", "/api/progress/statistics", "/api/progress/export"),
        *("/api/progress/export?format=csv", "/metrics", "/openapi.json", "/page.css"),
    ],
)
async def test_a_long_answer_is_compressed(stage: Stage, path: str) -> None:
    await stage.complete("2026-11-23T10:00:00Z")
    if path == "/metrics":
        await stage.get("")
    plain = await sent(stage, path, PLAIN)
    assert "content-encoding" not in plain.headers
    compressed = await sent(stage, path, GZIP)
    assert compressed.headers["content-encoding"] == "gzip"
    body = b"".join([chunk async for chunk in compressed.aiter_raw()])
    whole = b"".join([chunk async for chunk in plain.aiter_raw()])
    if path != "/metrics":  # which count the request in between
        assert gzip.decompress(body) == whole
        assert len(body) < len(whole)
    for answer in (plain, compressed):
        assert "Accept-Encoding" in answer.headers["vary"].split(", ")
    etag = compressed.headers.get("etag", "W/")
    assert etag.startswith("W/")
    assert etag.removeprefix("W/") == plain.headers.get("etag", "").removeprefix("W/")
    if "export" not in path:
        assert compressed.headers["content-length"] == str(len(body))
    if "etag" in compressed.headers:
        again = await sent(stage, path, GZIP | {"If-None-Match": etag})
        assert again.status_code == 304
        assert "content-encoding" not in again.headers


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/history?days=365", "/export", "/export?format=csv"])
async def test_the_head_of_a_compressed_answer(stage: Stage, path: str) -> None:
    got, head = [
        await sent(stage, f"/api/progress{path}", GZIP, method) for method in ("GET", "HEAD")
    ]
    assert head.headers["content-encoding"] == "gzip"
    for name in ("content-encoding", "content-length", "vary", "etag", "content-type"):
        assert head.headers.get(name) == got.headers.get(name)


@pytest.mark.integration
async def test_what_is_left_as_it_is(stage: Stage) -> None:
    for path in ("/livez", "/icon.svg", "/docs/swagger-ui-bundle.js", "/api/progress/badges"):
        answer = await sent(stage, path, GZIP)
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers, path
        body = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers["content-length"] == str(len(body))


def request_that_accepts(*codings: str) -> Request:
    headers = [(b"accept-encoding", coding.encode()) for coding in codings]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    "codings",
    [
        *("gzip", "GZIP", "x-gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8, *;q=0.1"),
        *("*", "deflate;q=0.5,*;q=0.001", "identity;q=0.5, gzip", " gzip ; q=1.000 ", "br,,gzip"),
        *("identity;q=0, gzip;q=0.1", "gzip;q=1, identity"),
    ],
)
def test_who_accepts_gzip(codings: str) -> None:
    assert accepts_gzip(request_that_accepts(codings))
    assert accepts_gzip(request_that_accepts("br", codings))


@pytest.mark.parametrize(
    "codings",
    [
        *("", "identity", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0", "*, gzip;q=0", "gzip2"),
        *("identity, gzip;q=0.9", "gzip;q=2", "gzip;q=-1", "gzip;q=", "gzip;q=0.1234", "gzip br"),
        *("é", "gzip;level=1"),
    ],
)
def test_who_does_not_accept_gzip(codings: str) -> None:
    assert not accepts_gzip(request_that_accepts(codings))


@pytest.mark.parametrize(("size", "encoding"), [(1_023, None), (1_024, "gzip")])
@pytest.mark.parametrize("media_type", ["application/json", "application/problem+json"])
async def test_answers_are_compressed_from_1_kib_on(
    size: int, encoding: str | None, media_type: str
) -> None:
    response = await compressed(Response(b"a" * size, media_type=media_type))
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-length"] == str(len(response.body))


@pytest.mark.parametrize(
    ("media_type", "headers"),
    [
        ("image/png", {}),
        ("text/event-stream", {}),
        (None, {}),
        ("application/json", {"Content-Encoding": "br"}),
    ],
)
async def test_bodies_that_are_not_compressed(
    media_type: str | None, headers: dict[str, str]
) -> None:
    response = Response(b"a" * 9_000, media_type=media_type, headers=headers)
    assert (await compressed(response)).body == b"a" * 9_000
    assert response.headers.get("content-encoding") == headers.get("Content-Encoding")


async def test_a_very_long_body_is_compressed_beside_the_loop() -> None:
    noise = random.Random(1).randbytes(1_000_000).hex().encode()
    response = await compressed(Response(noise, media_type="application/json"))
    assert gzip.decompress(response.body) == noise


async def compressed(response: Response) -> Response:
    """The response to a client that accepts gzip."""
    computing = Computing()
    await compress(request_that_accepts("gzip"), response, computing)
    computing.close()
    return response
