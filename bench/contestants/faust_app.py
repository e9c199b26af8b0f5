"""The Faust app that the agents run in, set up to be as fast as its settings allow."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

import faust
from yarl import URL

_COMMIT_SECONDS = 0.25


def make_app(bootstrap: str, group: str) -> faust.App:
    """An app without tables, web server or tracing."""
    return faust.App(
        group,
        broker=f"aiokafka://{bootstrap}",
        broker_session_timeout=4,
        broker_heartbeat_interval=0.4,
        broker_rebalance_timeout=10,
        broker_commit_interval=_COMMIT_SECONDS,
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_replication_factor=1,
        web_enabled=False,
        store=URL("memory://"),
        datadir=Path(gettempdir()) / "progress-worker-bench",
    )


def run(app: faust.App) -> None:
    """Run until a signal."""
    faust.Worker(app, loglevel="warning", quiet=True).execute_from_commandline()
