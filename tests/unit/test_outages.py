"""Outages are logged at the beginning, now and then, and at the end; library logs are thinned."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from structlog.testing import capture_logs

from progress_worker.telemetry.outages import Outage

_LIBRARIES = """
import logging, sys, warnings
from aiokafka.errors import KafkaConnectionError
from progress_worker.errors import FatalError
from progress_worker.settings.shared import SharedSettings
from progress_worker.telemetry.logs import configure_logs

configure_logs(SharedSettings(log_level="debug"))
kafka, mode = logging.getLogger("aiokafka.client"), logging.getLogger("mode.services")
for node in range(500):
    kafka.error("Unable connect to node with id %s", node)
kafka.error("Topic %s is not authorized for this client", "a")
logging.getLogger("mode.timers").warning("Timer %s is overlapping", "x")
warnings.warn("look out")
for error in (FatalError("foreseen"), KafkaConnectionError("away"), LookupError("a mistake")):
    for service in ("one", "two"):
        try:
            raise error
        except Exception:
            mode.exception("Crashed %s reason=%r" % (service, error))
mode.critical("We experienced a crash! Reraising original exception...")
"""


def test_libraries_are_heard_once_a_minute_and_tracebacks_are_for_mistakes() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LIBRARIES], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    logged = [line["event"].partition("\n")[0] for line in lines]
    assert len(logged) == 5, logged
    assert logged[0] == "Unable connect to node with id 0"
    assert logged[1] == "Topic a is not authorized for this client"
    assert "look out" in logged[2]
    assert "away" in logged[3]
    assert "a mistake" in logged[4]
    assert ["exception" in line for line in lines] == [False, False, False, False, True]


def test_an_outage_has_a_line_at_its_begin_one_a_minute_and_one_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    outage = Outage("away", part="x")
    with capture_logs() as lines:
        outage.over()
        for now in (0.0, 1.0, 2.0, 59.0, 61.0, 62.0):  # noqa: B007  the clock reads it
            outage.met("refused")
        outage.met("too slow")
        now = 70.0
        outage.over()
        outage.over()
        now = 71.0
        outage.met("refused")
    assert [(line["event"], line.get("error"), line["seconds"]) for line in lines] == [
        ("away", "refused", 0.0),
        ("away", "refused", 61.0),
        ("away", "too slow", 62.0),
        ("away_over", None, 70.0),
        ("away", "refused", 0.0),
    ]
    assert {line["part"] for line in lines} == {"x"}
