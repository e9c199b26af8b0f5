"""All settings of the HTTP view, and those of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

from pydantic import Field, SecretStr

from progress_worker.settings.addresses import HttpUrl, OriginList, PostgresUrl, is_http_url
from progress_worker.settings.base import Seconds, load
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.shared import SharedSettings

#: What an address may have as it is; the rest is percent-encoded.
_IN_ADDRESSES: Final = ":/?#[]@!$&'()*+,;=%-._~"


class TokenSettings(SharedSettings):
    """Which bearer tokens the view accepts. Needs a secret, a key file or a key URL."""

    jwt_issuer: str = Field(min_length=1, description="The `iss` that every token must have.")
    jwt_audience: str = Field(min_length=1, description="The `aud` that every token must have.")
    jwt_leeway_seconds: Seconds = Field(
        default=10.0,
        ge=0,
        le=300,
        description="How far clocks may differ when `exp` and `nbf` are checked.",
    )
    jwt_secret: SecretStr | None = Field(
        default=None, min_length=32, description="Accept HS256 tokens that this secret signed."
    )
    jwt_jwks_file: Path | None = Field(
        default=None,
        description="Accept RS256 and ES256 tokens that a key of this JWKS file signed.",
    )
    jwt_jwks_url: HttpUrl | None = Field(
        default=None,
        description="Accept RS256 and ES256 tokens that a key at this JWKS URL signed.",
    )
    jwt_jwks_cache_seconds: Seconds = Field(
        default=300.0, ge=0, description="The keys are read again after this time."
    )
    jwt_jwks_retry_seconds: Seconds = Field(
        default=10.0,
        ge=0,
        description="The shortest pause between two reads, even if tokens name unknown keys.",
    )
    jwt_jwks_timeout_seconds: Seconds = Field(
        default=3.0, gt=0, le=30, description="Time limit of one read of the URL."
    )

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("jwt_secret", "jwt_jwks_file", "jwt_jwks_url"),
    )

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.jwt_jwks_file and self.jwt_jwks_url:
            yield f"{PREFIX}JWT_JWKS_FILE and {PREFIX}JWT_JWKS_URL cannot both be set."


class ViewSettings(TokenSettings):
    """All settings of the HTTP view. It does not use Kafka."""

    database_url: PostgresUrl | None = Field(
        default=None,
        description="The worker's Postgres. The view uses it if `PROGRESS_VIEW_DATABASE_URL` is "
        "not set.",
    )
    view_database_url: PostgresUrl | None = Field(
        default=None, description="The view's Postgres, with a role that can only read."
    )
    view_host: str = Field(default="0.0.0.0", description="The address on which the view listens.")  # noqa: S104
    view_port: int = Field(
        default=8080, ge=0, le=65_535, description="The port on which the view listens."
    )
    view_metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="A port for `/metrics` only. The view's port then no longer serves that path. "
        "If not set, the view's port serves it.",
    )
    view_max_connections: int = Field(
        default=1_000,
        ge=16,
        description="The largest number of clients' connections besides streams of live updates. "
        "It is lower if the limit of open files (`ulimit -n`) does not allow that many.",
    )
    view_pool_size: int = Field(
        default=10,
        ge=1,
        le=200,
        description="Connections to Postgres for all reads except exports and explanations.",
    )
    view_export_pool_size: int = Field(
        default=2,
        ge=1,
        le=50,
        description="How many exports and explanations are read at the same time. Each has its own "
        "connection.",
    )
    view_pool_timeout_seconds: Seconds = Field(
        default=2.0,
        gt=0,
        description="How long a request waits for a connection before it is answered with 503.",
    )
    view_connect_timeout_seconds: int = Field(
        default=3, ge=2, le=3_600, description="Time limit of one new connection to Postgres."
    )
    view_statement_timeout_seconds: Seconds = Field(
        default=3.0, gt=0, description="Time limit of one read."
    )
    view_export_timeout_seconds: Seconds = Field(
        default=300.0,
        gt=0,
        description="Time limit of a whole export: for reading it from Postgres and until its "
        "client has it. Time limit of reading an explanation.",
    )
    xapi_home_page: HttpUrl | None = Field(
        default=None,
        description="The address of the system whose user ids the learners have, for statements of "
        "xAPI. It names the accounts (`account.homePage`), and exercises are `/exercises/…` below "
        "it. If not set, it is `PROGRESS_JWT_ISSUER`; an issuer that is no address becomes a URN.",
    )
    view_max_streams: int = Field(
        default=5_000,
        ge=1,
        le=100_000,
        description="The largest number of open streams of live updates. They come on top of "
        "`PROGRESS_VIEW_MAX_CONNECTIONS`. If the limit of open files (`ulimit -n`) does not allow "
        "that many, it is lower, and other requests keep up to half of the connections.",
    )
    view_ticket_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Signs the tickets for streams of live updates. Needed where several "
        "instances of the view share one address. If not set, each start makes its own.",
    )
    view_allowed_origins: OriginList | None = Field(
        default=None,
        description="The origins whose scripts may read the API in a browser, separated by commas, "
        "as in `https://app.example`. None if not set.",
    )
    view_development_login: bool = Field(
        default=False,
        description="Serve `/login?token=`, which lets a browser open the page. For development "
        "only, with HS256 tokens.",
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
    def xapi_home(self) -> str:
        """The IRI of the system whose user ids the learners have, without a last slash."""
        home = self.xapi_home_page or self.jwt_issuer
        if not is_http_url(home):
            home = f"urn:progress-worker:issuer:{quote(home, safe='')}"
        return quote(home.rstrip("/"), safe=_IN_ADDRESSES)

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins whose scripts may read the API in a browser."""
        return tuple(self.view_allowed_origins.split(",")) if self.view_allowed_origins else ()

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
    """Read the settings of tokens; raises ConfigurationError as `load_settings` does."""
    return load(TokenSettings, overrides)


def load_view_settings(**overrides: object) -> ViewSettings:
    """Read the view's settings; raises ConfigurationError as `load_settings` does."""
    return load(ViewSettings, overrides)
