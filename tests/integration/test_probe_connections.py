"""Clients that send nothing or never finish do not keep the worker's probes from answering."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from progress_worker.app import create_app
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.http.serving.probes import ProbeServer
from tests.harness.clients import (
    HALF_A_HEAD,
    PATIENCE_SECONDS,
    REQUEST,
    SLOW,
    clients,
    seconds_open,
)
from tests.harness.worker import WORKER, Deployment

pytestmark = pytest.mark.integration

OPEN_FILES = 256
HEAD_SECONDS = 1.0


async def test_more_connections_than_files(deployment: Deployment) -> None:
    limited = ("sh", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "sh", *WORKER)
    async with deployment.worker(limited) as worker:
        with ExitStack() as stack:
            for sent in (b"", HALF_A_HEAD, REQUEST):
                opened = clients(worker.address, OPEN_FILES, sent)
                await asyncio.to_thread(stack.enter_context, opened)
                for path in ("/livez", "/readyz", "/metrics"):
                    answer = await worker.get(path)
                    assert answer is not None
                    assert answer.status_code == 200
        closed = [line for line in worker.said().splitlines() if "connection" in line.lower()]
    assert [json.loads(line)["event"] for line in closed] == ["connection_closed"]


@pytest.fixture
async def impatient(named: Deployment) -> AsyncIterator[tuple[str, int]]:
    """The address of the probes of a worker that does nothing else."""
    settings = named.settings()
    app = create_app(settings)
    server = ProbeServer(app, HEAD_SECONDS)
    server.init_server()
    await server.start_server()
    yield LOOPBACK, settings.web_port
    await server.stop_server()


async def test_a_request_that_takes_too_long_is_cut_off(impatient: tuple[str, int]) -> None:
    for how, sent in SLOW.items():
        seconds = await asyncio.to_thread(seconds_open, impatient, *sent)
        assert HEAD_SECONDS / 2 < seconds < PATIENCE_SECONDS, how
