"""What the worker makes of excuses and travel, as the view reads it."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.events.commands import DAYS_EXCUSED
from progress_worker.settings.worker import load_settings
from tests.harness.events import CATALOGUE, Record, completed, records
from tests.harness.storage import Projection, projection
from tests.http.stage import Stage, StageMaker

pytestmark = pytest.mark.integration

EXCUSE = UUID(int=7)


def excused(first_day: str, last_day: str, *, revision: int = 0, revoked: bool = False) -> Record:
    """A command about the one excuse of ada's."""
    fields = {
        "excuse_id": str(EXCUSE),
        "revision": revision,
        "revoked": revoked,
        "user_id": "ada",
        "issued_at": "2025-11-20T10:00:00Z",
        "kind": "repair",
        "first_day": first_day,
        "last_day": last_day,
    }
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(UUID(int=revision)).encode()),
        ("ce_source", b"/exercise-platform"),
        ("ce_type", DAYS_EXCUSED.encode()),
    )
    return Record(b"ada", json.dumps(fields).encode(), headers, topic="progress-commands")


async def complete(parts: Projection, *times: str, **fields: object) -> None:
    """Apply exercises of ada's, each in a transaction."""
    for at in times:
        await parts.apply(records(completed("ada", completed_at=at, **fields)))


async def run(stage: Stage) -> tuple[int, str, list[str]]:
    """The current streak, its state, and what the days from the 16th to the 20th are."""
    answer = await stage.read("/streak", start_date="2025-11-16", end_date="2025-11-20")
    daily = answer["daily"]
    return daily["current"], daily["state"], [day["status"] for day in answer["days"]]


async def test_excuses_and_travel(
    migrated_database: Database, stages: StageMaker, tmp_path: Path
) -> None:
    book = tmp_path / "rules.yaml"
    book.write_text(CATALOGUE)
    settings = load_settings(
        kafka_bootstrap=f"{LOOPBACK}:1",
        database_url=migrated_database.worker_url,
        catalogue_file=str(book),
    )
    stage = await stages(migrated_database)
    stage.clock.set("2025-11-20T12:00:00Z")
    async with projection(settings) as parts:
        await parts.commands.handle(excused("2025-11-19", "2025-11-19"))
        assert (await stage.read("/streak"))["daily"]["state"] == "none"
        await complete(parts, "2025-11-16T20:00:00-10:00", timezone="Pacific/Honolulu")
        await complete(parts, "2025-11-18T19:00:00+13:00", timezone="Pacific/Auckland")
        # In Auckland it is the 21st already.
        days = ["active", "excused", "active", "excused", "missed"]
        assert await run(stage) == (0, "broken", days)
        tag = (await stage.get("/streak")).headers["etag"]
        await parts.commands.handle(excused("2025-11-19", "2025-11-20", revision=1))
        assert (await stage.get("/streak", headers={"If-None-Match": tag})).status_code == 200
        assert await run(stage) == (2, "at_risk", [*days[:4], "excused"])
        await parts.commands.handle(excused("2025-11-19", "2025-11-20", revision=2, revoked=True))
        assert await run(stage) == (0, "broken", [*days[:3], "missed", "missed"])
