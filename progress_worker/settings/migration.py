"""What `migrate` needs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from progress_worker.settings.addresses import PostgresUrl
from progress_worker.settings.base import OurSettings, load
from progress_worker.settings.complaints import PREFIX


class MigrationSettings(OurSettings):
    """What `migrate` needs: the owner's address and the roles to grant to."""

    database_url: PostgresUrl | None = Field(
        default=None, description="The worker's Postgres, when there is no owner's address."
    )
    migrate_database_url: PostgresUrl | None = Field(
        default=None, description="The Postgres to migrate, as the role that owns the tables."
    )
    worker_role: str = Field(
        default="progress_worker", min_length=1, description="Is granted the worker's work."
    )
    view_role: str = Field(
        default="progress_view", min_length=1, description="Is granted reading learners."
    )

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("migrate_database_url", "database_url"),
    )

    @property
    def owner_variable(self) -> str:
        """The variable that holds the address to migrate."""
        return PREFIX + ("MIGRATE_DATABASE_URL" if self.migrate_database_url else "DATABASE_URL")

    @property
    def owner_url(self) -> str:
        """The address to migrate; holds a secret."""
        url = self.migrate_database_url or self.database_url
        return url.get_secret_value() if url else ""


def load_migration_settings(**overrides: object) -> MigrationSettings:
    """Read what `migrate` needs; raises ConfigurationError as `load_settings` does."""
    return load(MigrationSettings, overrides)
