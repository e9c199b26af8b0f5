"""The settings of `migrate`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from progress_worker.settings.addresses import PostgresUrl
from progress_worker.settings.base import OurSettings, load
from progress_worker.settings.complaints import PREFIX


class MigrationSettings(OurSettings):
    """The settings of `migrate`: the owner's address, and the roles that get rights."""

    database_url: PostgresUrl | None = Field(
        default=None,
        description="The worker's Postgres. `migrate` uses it if `PROGRESS_MIGRATE_DATABASE_URL` "
        "is not set.",
    )
    migrate_database_url: PostgresUrl | None = Field(
        default=None, description="The Postgres to migrate, with the role that owns the tables."
    )
    worker_role: str = Field(
        default="progress_worker",
        min_length=1,
        description="The role that gets the worker's rights.",
    )
    view_role: str = Field(
        default="progress_view", min_length=1, description="The role that gets the view's rights."
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
    """Read the settings of `migrate`; raises ConfigurationError as `load_settings` does."""
    return load(MigrationSettings, overrides)
