"""Broker and Postgres together in one temporary directory, with the settings that fit them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from progress_worker.embedded.broker import Broker
from progress_worker.embedded.database import Database
from progress_worker.embedded.guard import Guard
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.embedded.postgres import Postgres
from progress_worker.errors import FatalError
from progress_worker.settings.complaints import PREFIX

DATABASE = "progress"


class EmbeddedStack:
    """A broker and a Postgres with an empty database, which end with this process.

    Raises FatalError when a server does not start or the extra `embedded` is not installed.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self._durable = durable
        self._guard: Guard | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def directory(self) -> Path:
        """The directory of the servers' logs and data. It is removed at the stop."""
        if self._guard is None:
            raise FatalError("The embedded stack has not been started.")
        return self._guard.directory

    @property
    def guard_pid(self) -> int:
        """The process that ends the servers when this one ends."""
        if self._guard is None:
            raise FatalError("The embedded stack has not been started.")
        return self._guard.pid

    def start(self) -> None:
        """Start both servers at once, wait until they answer, and create database and roles."""
        self._guard = Guard()
        self.broker = Broker(self._guard)
        self.postgres = Postgres(self._guard, durable=self._durable)
        with ThreadPoolExecutor(max_workers=2) as pool:
            starts = [pool.submit(server.start) for server in (self.broker, self.postgres)]
        for start in starts:
            start.result()
        self.postgres.create_roles()
        self.database: Database = self.postgres.create_database(DATABASE)
        self._web_port, self._view_port = free_port(), free_port()

    def stop(self) -> None:
        """End both servers and remove the directory. You may call it again."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def check(self) -> None:
        """Raises FatalError if a server has ended."""
        for server in (self.broker, self.postgres):
            if not server.running:
                raise FatalError(
                    f"The embedded {server.name} has ended, and nothing works without it: "
                    "start everything again."
                )

    def environment(self) -> dict[str, str]:
        """The `PROGRESS_*` variables of a worker and a view on this stack.

        The broker lets a group wait for half the session timeout. So that timeout is short, and so
        are the time limits that must stay below it. The broker answers a fetch only when its time
        is over, not when a record arrives. So that time is short too.
        """
        variables = {
            "KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "KAFKA_IDEMPOTENT_PRODUCER": "false",
            "KAFKA_SESSION_TIMEOUT_SECONDS": "4",
            "KAFKA_REBALANCE_TIMEOUT_SECONDS": "10",
            "KAFKA_FETCH_MAX_WAIT_SECONDS": "0.05",
            "TOPIC_REPLICATION": "1",
            "DATABASE_URL": self.database.worker_url,
            "MIGRATE_DATABASE_URL": self.database.owner_url,
            "VIEW_DATABASE_URL": self.database.view_url,
            "DATABASE_STATEMENT_TIMEOUT_SECONDS": "8",
            "DRAIN_TIMEOUT_SECONDS": "5",
            "WEB_HOST": LOOPBACK,
            "WEB_PORT": str(self._web_port),
            "VIEW_HOST": LOOPBACK,
            "VIEW_PORT": str(self._view_port),
        }
        return {PREFIX + name: value for name, value in variables.items()}
