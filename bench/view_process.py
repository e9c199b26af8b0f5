"""A `progress-worker api` process to measure, and tokens that it accepts."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile

import httpx
import psutil

from bench.watch import TrialError
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.http.security.authentication import mint_token
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.view import TokenSettings, ViewSettings, load_token_settings

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_TOKENS = {
    "JWT_ISSUER": "bench",
    "JWT_AUDIENCE": "progress-view",
    "JWT_SECRET": "a secret for the benchmark alone",
}

Headers = Mapping[str, str]


def token_settings() -> TokenSettings:
    """The settings by which tokens are signed."""
    return load_token_settings(**{name.lower(): value for name, value in _TOKENS.items()})


def bearer(user_id: str) -> Headers:
    """A learner's token, as a header."""
    lifetime = dt.timedelta(hours=2)
    return {"Authorization": f"Bearer {mint_token(token_settings(), user_id, lifetime=lifetime)}"}


@dataclass(frozen=True, slots=True)
class RunningView:
    """A view's address, how many connections to Postgres it has, and its process."""

    url: str
    connections: int
    process: psutil.Process

    def processor_seconds(self) -> float:
        """The processor time that it has taken so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def running_view(database: Database) -> Iterator[RunningView]:
    """A view as it is deployed, with logs."""
    port = free_port()
    settings = _TOKENS | {
        "VIEW_DATABASE_URL": database.view_url,
        "VIEW_HOST": LOOPBACK,
        "VIEW_PORT": str(port),
    }
    with (
        TemporaryFile() as log,
        subprocess.Popen(
            [sys.executable, "-m", "progress_worker", "api"],
            env=os.environ | {PREFIX + name: value for name, value in settings.items()},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            url = f"http://{LOOPBACK}:{port}"
            _wait_until_ready(url, process)
            connections = ViewSettings.model_fields["view_pool_size"].default
            yield RunningView(url, connections, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise TrialError(f"the view ended with status {process.returncode}")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TrialError("the view does not become ready")
