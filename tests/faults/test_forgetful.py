"""Tests the suite itself: a worker that forgets a batch, an unlock and a loss does not pass."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from tests.faults.conftest import Deploy
from tests.harness import forgetful
from tests.harness.traffic import Traffic

pytestmark = pytest.mark.integration


async def test_a_worker_that_forgets_is_found_out(
    impatient: Deploy, broker: Broker, migrated_database: Database
) -> None:
    deployment = await impatient(broker.bootstrap, migrated_database)
    traffic = Traffic(deployment, seed=0, count=600)
    await traffic.send()
    async with deployment.worker((sys.executable, str(Path(forgetful.__file__)))):
        reported = {sentence.partition(" ")[0] for sentence in await traffic.differences()}
    records = {"achievement-unlocked", "achievement-changes"}
    assert {"completion", "learner_total", "learner_day"} | records <= reported
