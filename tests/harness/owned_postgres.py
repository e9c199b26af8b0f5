"""PostgreSQL as operators are given it: its databases' owner is no superuser, and logins matter."""

from __future__ import annotations

from progress_worker.embedded.database import OWNER_ROLE as SUPERUSER
from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.storage.schema.migrate import migrate
from tests.harness.storage import execute

PASSWORD = "a-password"
_ACCESS = f"""
host  all  {SUPERUSER}  127.0.0.1/32  trust
host  all  all          all           scram-sha-256
"""


class OwnedPostgres(Postgres):
    """A server with one role beside the superuser, which may create databases and roles.

    Addresses of whoever is not the superuser hold PASSWORD, which each has to be given.
    """

    def __init__(self, owner: str) -> None:
        super().__init__(durable=False)
        self.owner = owner

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The address of a database as a user sees it."""
        url = super().url(database, user)
        return url if user == SUPERUSER else url.replace("@", f":{PASSWORD}@", 1)

    def create_owner(self) -> None:
        """Create that role, as a superuser does once by the runbook."""
        self._execute(
            f"CREATE ROLE {{}} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'", self.owner
        )
        self._execute("GRANT pg_monitor, pg_signal_backend TO {}", self.owner)

    def migrated_database(self, name: str = "progress") -> Database:
        """A database of the owner's as `migrate` and a first password leave it.

        Its `owner_url` is the superuser's, as everywhere.
        """
        execute(self.url(user=self.owner), f"CREATE DATABASE {name}")
        owner = self.url(name, self.owner)
        migrate(owner)
        execute(owner, f"ALTER ROLE progress_worker LOGIN PASSWORD '{PASSWORD}'")
        return self.database(name)

    def _initialise(self) -> None:
        super()._initialise()
        (self._data / "pg_hba.conf").write_text(_ACCESS)
