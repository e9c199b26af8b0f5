"""A running view: a real process behind a real socket."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.http.security.authentication import mint_token
from progress_worker.settings.view import ViewSettings, load_view_settings
from tests.harness.forking import Forked
from tests.http.serve_view import serve_from_environment

_ENVIRONMENT = {
    "PROGRESS_JWT_ISSUER": "https://issuer.test",
    "PROGRESS_JWT_AUDIENCE": "progress-view",
    "PROGRESS_JWT_SECRET": "a secret for tests that is long enough",
    "PROGRESS_VIEW_HOST": "127.0.0.1",
    "PROGRESS_LOG_LEVEL": "warning",
}
_START_SECONDS = 60
_STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Served:
    """Where a view listens, its process, and what ends it as a crash would."""

    url: str
    process: Forked
    settings: ViewSettings
    kill: Callable[[], None]

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def address(self) -> tuple[str, int]:
        """The address for a socket."""
        return LOOPBACK, self.settings.view_port

    def headers(self, user_id: str = "ada", scope: str = "") -> dict[str, str]:
        """A good token for a learner."""
        return {"Authorization": f"Bearer {mint_token(self.settings, user_id, scope=scope)}"}

    def peak_bytes(self) -> int:
        """The most memory that the process has held at once."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


@contextmanager
def serve_view(
    database: Database, log: Path = Path(os.devnull), **environment: str
) -> Iterator[Served]:
    """Start a view on the database; at the end a signal lets its requests finish."""
    port = int(environment.get("PROGRESS_VIEW_PORT", free_port()))
    view = {
        **_ENVIRONMENT,
        "PROGRESS_VIEW_DATABASE_URL": database.view_url,
        "PROGRESS_VIEW_PORT": str(port),
        **environment,
    }
    url = f"http://{LOOPBACK}:{port}"
    process = Forked(serve_from_environment, {**os.environ, **view}, log)
    try:
        _wait_until_ready(url, process)
        lowered = {name.removeprefix("PROGRESS_").lower(): text for name, text in view.items()}
        yield Served(url, process, load_view_settings(**lowered), process.kill)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _wait_until_ready(url: str, process: Forked) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the view ended"
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError("the view does not become ready")


def add_completions(database: Database, user_id: str, count: int) -> None:
    """Add `count` completions, a second apart, without anything derived from them."""
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            """
            INSERT INTO completion
            SELECT %(user_id)s, gen_random_uuid(), 0, false, 'exercise-' || n, 'algorithms', 'easy',
                   8000, 60, 0, timestamptz '2026-01-01 00:00Z' + n * interval '1 second', NULL,
                   date '2026-01-01' + n / 86400
            FROM generate_series(1, %(count)s) AS n
            """,
            {"user_id": user_id, "count": count},
        )
