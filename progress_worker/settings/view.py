"""The HTTP view's whole configuration, and whose tokens it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from progress_worker.settings.addresses import HttpUrl, PostgresUrl
from progress_worker.settings.base import Seconds, load
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.shared import SharedSettings


class TokenSettings(SharedSettings):
    """Whose bearer tokens the view takes: at least one of a secret, a key file, a key URL."""

    jwt_issuer: str = Field(min_length=1, description="`iss` that every token must carry.")
    jwt_audience: str = Field(min_length=1, description="`aud` that every token must carry.")
    jwt_leeway_seconds: Seconds = Field(
        default=10.0, ge=0, le=300, description="How far clocks may differ at `exp` and `nbf`."
    )
    jwt_secret: SecretStr | None = Field(
        default=None, min_length=32, description="Takes HS256 tokens that this secret signed."
    )
    jwt_jwks_file: Path | None = Field(
        default=None, description="Takes RS256 and ES256 tokens by the keys of this JWKS file."
    )
    jwt_jwks_url: HttpUrl | None = Field(
        default=None, description="The same by the keys of this URL."
    )
    jwt_jwks_cache_seconds: Seconds = Field(
        default=300.0, ge=0, description="After so long the keys are read again."
    )
    jwt_jwks_retry_seconds: Seconds = Field(
        default=10.0,
        ge=0,
        description="The least pause between two reads, whatever unknown keys tokens name.",
    )
    jwt_jwks_timeout_seconds: Seconds = Field(
        default=3.0, gt=0, le=30, description="The time limit of one read of the URL."
    )

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("jwt_secret", "jwt_jwks_file", "jwt_jwks_url"),
    )

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.jwt_jwks_file and self.jwt_jwks_url:
            yield f"{PREFIX}JWT_JWKS_FILE and {PREFIX}JWT_JWKS_URL cannot both be set."


class ViewSettings(TokenSettings):
    """The HTTP view's whole configuration; it needs nothing of Kafka's."""

    database_url: PostgresUrl | None = Field(
        default=None, description="The worker's Postgres, when the view has no own address."
    )
    view_database_url: PostgresUrl | None = Field(
        default=None, description="The view's Postgres, with a role that can only read."
    )
    view_host: str = Field(default="0.0.0.0", description="Where the view listens.")  # noqa: S104
    view_port: int = Field(default=8080, ge=0, le=65_535, description="The view's port.")
    view_metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="The port of the view's `/metrics`, which the view's own port then lacks; "
        "the view's own port when not given.",
    )
    view_max_connections: int = Field(
        default=1_000,
        ge=16,
        description="Connections of clients at once; fewer where the limit of open files "
        "(`ulimit -n`) does not allow so many.",
    )
    view_pool_size: int = Field(
        default=10, ge=1, le=200, description="Connections to Postgres for all reads but exports."
    )
    view_export_pool_size: int = Field(
        default=2, ge=1, le=50, description="Exports at once, each with its own connection."
    )
    view_pool_timeout_seconds: Seconds = Field(
        default=2.0, gt=0, description="How long a request waits for a connection before a 503."
    )
    view_connect_timeout_seconds: int = Field(
        default=3, ge=2, le=3_600, description="The time limit of one new connection."
    )
    view_statement_timeout_seconds: Seconds = Field(
        default=3.0, gt=0, description="The time limit of one read."
    )
    view_export_timeout_seconds: Seconds = Field(
        default=300.0,
        gt=0,
        description="The time limit of a whole export, until its client has read it. An export "
        "holds a snapshot of the database for so long at most.",
    )
    view_development_login: bool = Field(
        default=False,
        description="Serves `/login?token=`, which lets a browser open the page; for "
        "development only, with HS256 tokens.",
    )

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (
        *TokenSettings.alternatives,
        ("view_database_url", "database_url"),
    )

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.view_development_login and self.jwt_secret is None:
            yield f"{PREFIX}VIEW_DEVELOPMENT_LOGIN needs {PREFIX}JWT_SECRET."
        if self.view_metrics_port == self.view_port:
            yield f"{PREFIX}VIEW_METRICS_PORT must not be {PREFIX}VIEW_PORT."

    @property
    def read_variable(self) -> str:
        """The variable that holds the address of the Postgres that the view reads."""
        return PREFIX + ("VIEW_DATABASE_URL" if self.view_database_url else "DATABASE_URL")

    @property
    def read_url(self) -> str:
        """The address of the Postgres that the view reads; holds a secret."""
        url = self.view_database_url or self.database_url
        return url.get_secret_value() if url else ""


def load_token_settings(**overrides: object) -> TokenSettings:
    """Read what mints and checks tokens; raises ConfigurationError as `load_settings` does."""
    return load(TokenSettings, overrides)


def load_view_settings(**overrides: object) -> ViewSettings:
    """Read the view's settings; raises ConfigurationError as `load_settings` does."""
    return load(ViewSettings, overrides)
