"""The embedded broker and a database, both reached through proxies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK


class AdvertisedBroker(Broker):
    """An embedded broker that advertises another port to its clients, a proxy's."""

    def __init__(self, advertised: int) -> None:
        super().__init__()
        self._advertised = advertised

    def _command(self, port: int) -> Sequence[str | Path]:
        command = super()._command(port)
        option = "--advertised-listener-url="
        return [
            f"{option}tcp://{LOOPBACK}:{self._advertised}" if str(part).startswith(option) else part
            for part in command
        ]


def through(database: Database, port: int) -> Database:
    """The database with the worker's address through a proxy; the owner's stays direct."""
    name = database.worker_url.rpartition("/")[2]
    user = database.worker_url.partition("//")[2].partition("@")[0]
    return replace(database, worker_url=f"postgresql://{user}@{LOOPBACK}:{port}/{name}")
