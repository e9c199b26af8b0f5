"""Learners whose stored zone this release's zone rules do not know."""

from __future__ import annotations

import psycopg
import pytest
from structlog.testing import capture_logs

from tests.http.stage import Stage
from tests.http.test_conditional import PATHS

pytestmark = pytest.mark.integration

#: Removed from the IANA database in 2020.
GONE = "US/Pacific-New"


async def test_an_unknown_zone_is_answered_in_utc_logged_once_and_counted(stage: Stage) -> None:
    for learner in ("ada", "bob"):
        # It is the 24th in Kiritimati and the 23rd in UTC.
        await stage.complete("2026-11-23T11:00:00Z", user_id=learner, timezone="Pacific/Kiritimati")
    with psycopg.connect(stage.database.owner_url) as connection:
        connection.execute("UPDATE learner SET timezone = %s", [GONE])
    stage.clock.set("2026-11-24T23:30:00Z")
    with capture_logs() as logs:
        for path in PATHS:
            first = await stage.get(path)
            assert first.status_code == 200, path
            known = {"If-None-Match": first.headers["etag"]}
            assert (await stage.get(path, headers=known)).status_code == 304
            assert (await stage.get(path, method="HEAD")).status_code == 200
        page = await stage.client.get("/", headers={"Authorization": f"Bearer {stage.token()}"})
        progress = await stage.read("", "bob")
        history = await stage.read("/history", days=1)
    assert "midnight in UTC" in page.text
    assert progress["timezone"] == "UTC"
    assert progress["streak"]["active_today"] is True
    assert history["end_date"] == "2026-11-24"
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warnings == [{"event": "view_zone_unknown", "zone": GONE, "log_level": "warning"}]
    metrics = (await stage.client.get("/metrics")).text
    (line,) = [
        line for line in metrics.splitlines() if line.startswith("progress_view_unknown_zones_to")
    ]
    assert float(line.split()[1]) >= 3 * len(PATHS) + 3


async def test_no_stored_zone_is_an_error(stage: Stage) -> None:
    await stage.complete("2026-11-23T10:00:00Z", timezone="Europe/Berlin")
    for zone in ("", "europe/berlin", "../../etc/passwd", "posixrules", "Mars/Olympus\n", "é"):
        with psycopg.connect(stage.database.owner_url) as connection:
            connection.execute("UPDATE learner SET timezone = %s", [zone])
        assert (await stage.read(""))["timezone"] == "UTC"
