"""A real Prometheus with our configuration, scraping what a test started."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from progress_worker.embedded.ports import LOOPBACK, free_port
from tests.harness.waiting import wait_until

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "prometheus.yml"
_STOP_SECONDS = 20.0
_FAST = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}


class Prometheus:
    """Answers queries about the present."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def data(self, expression: str) -> list[float]:
        """The values that a query returns, those that are not a number left out."""
        result = (await self._get("query", query=expression))["result"]
        values = (float(sample["value"][1]) for sample in result)
        return [value for value in values if not math.isnan(value)]

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule and how its last evaluation went."""
        groups = (await self._get("rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def ready(self) -> bool:
        """Whether it answers."""
        try:
            return (await self._client.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def _get(self, what: str, **parameters: str) -> Any:
        answer = await self._client.get(f"/api/v1/{what}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@asynccontextmanager
async def run_prometheus(
    directory: Path, targets: Mapping[str, list[str]]
) -> AsyncIterator[Prometheus]:
    """Our configuration with these targets, `host:port`, for its jobs, and every second.

    Skips the test where Prometheus is not installed.
    """
    address = f"{LOOPBACK}:{free_port()}"
    with _server(directory, address, _configuration(directory, targets)):
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as client:
            prometheus = Prometheus(client)
            await wait_until(prometheus.ready, "Prometheus is ready")
            yield prometheus


@contextmanager
def _server(directory: Path, address: str, configuration: Path) -> Iterator[None]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian's package is called prometheus)")
    command = [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as run:
        try:
            yield
        finally:
            run.terminate()
            try:
                run.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                run.kill()


def _configuration(directory: Path, targets: Mapping[str, list[str]]) -> Path:
    read = yaml.safe_load(CONFIGURATION.read_text())
    read["global"] |= _FAST
    read["rule_files"] = [str(CONFIGURATION.parent / name) for name in read["rule_files"]]
    assert {job["job_name"] for job in read["scrape_configs"]} == set(targets)
    read["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": where}]} for job, where in targets.items()
    ]
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(read))
    return path
