"""The real PgBouncer in transaction mode, in front of a Postgres."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from progress_worker.embedded.database import OWNER_ROLE, VIEW_ROLE, WORKER_ROLE
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.embedded.postgres import Postgres
from progress_worker.embedded.server import Server

#: Debian keeps it in a directory that is not in a user's PATH.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")

_CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {host}
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = 2
query_wait_timeout = 20
ignore_startup_parameters = {ignored}
"""


class PgBouncer(Server):
    """A pooler with two connections to Postgres for each database and user.

    `ignored` are the start-up parameters that it drops instead of refusing the connection.
    """

    name: ClassVar[str] = "pgbouncer"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    end_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, postgres: Postgres, ignored: str = "", mode: str = "transaction") -> None:
        super().__init__()
        self._postgres = postgres
        self.ignored = ignored
        self._mode = mode

    def behind(self, url: str) -> str:
        """The same address through the pooler."""
        return url.replace(f":{self._postgres.port}/", f":{self.port}/")

    def _prepare(self) -> None:
        users = self.guard.directory / "users.txt"
        users.write_text("".join(f'"{name}" ""\n' for name in (OWNER_ROLE, WORKER_ROLE, VIEW_ROLE)))
        for path in (self.guard.directory, users):
            path.chmod(0o755)

    def _command(self, port: int) -> Sequence[str | Path]:
        assert PROGRAM is not None
        configuration = self.guard.directory / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(
                host=LOOPBACK,
                port=self._postgres.port,
                listen_port=port,
                users=self.guard.directory / "users.txt",
                mode=self._mode,
                ignored=self.ignored,
            )
        )
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [PROGRAM, *account, configuration]

    def _ready(self) -> bool:
        return "process up" in self.log.read_text(errors="replace")
