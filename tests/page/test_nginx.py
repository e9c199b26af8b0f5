"""The gateway of docs/operations.md, as nginx runs it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from tests.harness.gateway import EventStream
from tests.harness.served import App, served
from tests.harness.waiting import wait_until
from tests.page import pupils
from tests.page.site import add, open_site

pytestmark = pytest.mark.integration

_NGINX: Final = shutil.which("nginx")
_DOCUMENT: Final = Path(__file__).parents[2] / "docs/operations.md"
_SECONDS: Final = 20
_SESSION: Final = {"session": "good"}
_TEMPORARY: Final = "".join(
    f"{name}_temp_path {name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


def _platform(token: str) -> App:
    """Knows one session, and has a token for it."""

    async def answer(scope: Any, _receive: Any, send: Any) -> None:
        known = any(
            name == b"cookie" and b"session=good" in value for name, value in scope["headers"]
        )
        status, headers = (204, [(b"x-token", token.encode())]) if known else (401, [])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return answer


@contextmanager
def _nginx(directory: Path, platform: str, view: str) -> Iterator[str]:
    """The documented server before these two; gives its address."""
    if _NGINX is None:
        pytest.skip("there is no nginx to run the documented gateway with")
    found = re.search(r"```nginx\n(.*?)```", _DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    port = free_port()
    server = found[1].replace("http://platform", platform)
    server = server.replace("http://progress-view:8080", view)
    server = server.replace("server {", f"server {{ listen {LOOPBACK}:{port};", 1)
    # Otherwise the processes of a root's nginx could not write into the test's directory.
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(
        f"{user}daemon off; pid pid; error_log error.log; events {{}}\n"
        f"http {{ access_log off; {_TEMPORARY}\n{server}}}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [_NGINX, "-p", str(directory), "-e", "error.log", "-c", str(directory / "nginx.conf")]
    )
    try:
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait(_SECONDS)


async def _status(client: httpx.AsyncClient, path: str) -> int:
    headers = {"Authorization": "Bearer of-the-browser"}
    return (await client.get(path, headers=headers)).status_code


async def _listens(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/metrics")
    except httpx.ConnectError:
        return False
    return True


async def test_a_session_of_the_platform_opens_the_page(
    migrated_database: Database, tmp_path: Path
) -> None:
    await add(migrated_database, *pupils.at_risk())
    with (
        open_site(migrated_database, development_login=False) as site,
        served(_platform(site.token(pupils.AT_RISK))) as platform,
        _nginx(tmp_path, platform, site.url) as url,
    ):
        async with httpx.AsyncClient(base_url=url, cookies=_SESSION, timeout=_SECONDS) as reader:
            await wait_until(lambda: _listens(reader), "nginx listens")
            page = await reader.get("/")
            assert page.status_code == 200
            assert f"<bdi>{pupils.AT_RISK}</bdi>" in page.text
            loaded = set(re.findall(r'(?:href|src)="(/[^"#]+)', page.text))
            assert {path.partition("?")[0] for path in loaded} == {
                "/page.css",
                "/page.js",
                "/icon.svg",
                "/icons.svg",
                "/export",
            }
            for path in loaded:
                assert await _status(reader, path.replace("&amp;", "&")) == 200
            for path in ("/login?token=x", "/metrics", "/readyz", "/docs", "/session"):
                assert await _status(reader, path) == 404
        async with httpx.AsyncClient(base_url=url, timeout=_SECONDS) as stranger:
            assert await _status(stranger, "/") == 401
            assert await _status(stranger, "/events") == 401


async def test_events_arrive_when_they_happen(tmp_path: Path) -> None:
    stream = EventStream()
    with (
        served(stream) as view,
        served(_platform("a token")) as platform,
        _nginx(tmp_path, platform, view) as url,
    ):
        async with (
            httpx.AsyncClient(base_url=url, cookies=_SESSION, timeout=_SECONDS) as reader,
            asyncio.timeout(_SECONDS),
        ):
            await wait_until(lambda: _listens(reader), "nginx listens")
            async with reader.stream("GET", "/events?last_event_id=7") as answer:
                lines = answer.aiter_lines()
                await stream.send("achievement", name="First Step")
                while not (line := await anext(lines)).startswith("data: "):
                    pass
        stream.close()
    assert line == 'data: {"name": "First Step"}'
    assert stream.queries == ["last_event_id=7"]
