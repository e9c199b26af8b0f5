"""A real Prometheus scrapes a real worker and a real view; every panel's query returns data."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path

import httpx
import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.generator.generator import generate
from progress_worker.generator.wire import Wire
from tests.deploy.dashboards import Query, queries
from tests.deploy.prometheus import Prometheus, run_prometheus
from tests.harness.deploying import deploy
from tests.harness.waiting import wait_until
from tests.harness.worker import Deployment
from tests.http.served import Served, serve_view

pytestmark = pytest.mark.integration


async def test_every_query_returns_data(
    broker: Broker, migrated_database: Database, tmp_path: Path
) -> None:
    deployment = await deploy(broker.bootstrap, migrated_database, tmp_path, idempotent=False)
    port = deployment.environment()["WEB_PORT"]
    with serve_view(migrated_database) as view:
        async with deployment.worker(WEB_PORT=port, UNLOCKED_TOPIC="achievement-unlocked"):
            targets = {
                "progress-worker": [f"{LOOPBACK}:{port}"],
                "progress-api": [view.url.removeprefix("http://")],
            }
            async with run_prometheus(tmp_path, targets) as prometheus:
                await _work(deployment, view, seed=1)
                await wait_until(lambda: _seen(prometheus), "Prometheus has seen the work")
                await _work(deployment, view, seed=2)
                with contextlib.suppress(AssertionError):  # what is missing says more
                    await wait_until(lambda: _complete(prometheus), "every query returns data")
                assert await _without_data(prometheus) == []
                for rule in await prometheus.rules():
                    assert rule["health"] == "ok", rule
                firing = await prometheus.data('ALERTS{alertstate="firing",severity="critical"}')
                assert firing == []


async def _work(deployment: Deployment, view: Served, seed: int) -> None:
    now = dt.datetime.now(dt.UTC)
    records = generate(400, seed, 8, now, broken_share=0.05)
    await deployment.publish(*(Wire(r.key, r.value, r.headers) for r in records))
    async with httpx.AsyncClient(base_url=view.url, timeout=10) as client:
        for path in ("/api/progress", "/api/progress/achievements"):
            answer = await client.get(path, headers=view.headers())
            assert answer.status_code == 200


async def _seen(prometheus: Prometheus) -> bool:
    published = await prometheus.data('progress_published_total{topic="achievement-unlocked"}')
    answered = await prometheus.data(
        'progress_view_request_duration_seconds_count{route="/api/progress/achievements"}'
    )
    return bool(published and answered)


async def _without_data(prometheus: Prometheus) -> list[Query]:
    return [query for query in queries() if not await prometheus.data(query.expression)]


async def _complete(prometheus: Prometheus) -> bool:
    return not await _without_data(prometheus)
