"""A PostgreSQL where the owner of databases is no superuser and logins need passwords."""

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

    The addresses of other users hold PASSWORD; tests must give each user that password.
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
        """A database of the owner, migrated, with passwords for the roles.

        Its `owner_url` is the superuser's, as in all tests.
        """
        execute(self.url(user=self.owner), f"CREATE DATABASE {name}")
        owner = self.url(name, self.owner)
        migrate(owner)
        execute(owner, f"ALTER ROLE progress_worker LOGIN PASSWORD '{PASSWORD}'")
        return self.database(name)

    def _initialise(self) -> None:
        super()._initialise()
        (self._data / "pg_hba.conf").write_text(_ACCESS)
