"""Every setting with its meaning; the only module that reads the environment."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from progress_worker.errors import ConfigurationError
from progress_worker.settings.addresses import BootstrapServers, HttpUrl, PostgresUrl, TopicName
from progress_worker.settings.complaints import JSON_WANTED, PREFIX, complaints, lacking

__all__ = ["PREFIX"]

TOPICS: Final = (
    "completed_topic",
    "unlocked_topic",
    "level_topic",
    "dead_letter_topic",
    "commands_topic",
)
#: A time limit or a pause: a day at most.
Seconds = Annotated[float, Field(le=86_400)]


class LevelThreshold(BaseModel):
    """What a skill level asks for: completed exercises and a mean grade in percent."""

    exercises: int = Field(ge=0, description="Completed exercises that the level asks for.")
    mean_grade: float = Field(
        ge=0, le=100, description="Mean grade that the level asks for, in percent."
    )


class OurSettings(BaseSettings):
    """Settings from `PROGRESS_*` variables; a variable that is empty is as one that is not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        nested_model_default_partial_update=True,
        allow_inf_nan=False,
        extra="ignore",
        frozen=True,
    )
    #: Of each group of settings at least one has to be given.
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if found := list(self._contradictions()):
            raise ValueError("\n".join(found))
        return self

    def _contradictions(self) -> Iterator[str]:
        """A sentence for each way in which settings do not go together."""
        yield from lacking(type(self), {name for name, value in self if value is not None})


class SharedSettings(OurSettings):
    """What the worker and the view both read."""

    catalogue_file: Path | None = Field(
        default=None,
        description="The achievement catalogue (YAML); the built-in one when not given.",
    )
    level_intermediate: LevelThreshold = Field(
        default=LevelThreshold(exercises=10, mean_grade=60),
        description="Where intermediate begins.",
    )
    level_advanced: LevelThreshold = Field(
        default=LevelThreshold(exercises=30, mean_grade=70), description="Where advanced begins."
    )
    level_expert: LevelThreshold = Field(
        default=LevelThreshold(exercises=50, mean_grade=80), description="Where expert begins."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is logged, and whatever is worse."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="Log lines for machines or for people."
    )
    instance: str = Field(
        default_factory=socket.gethostname,
        description="This process's name in logs and to Kafka and Postgres; the host's by default.",
    )

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        for lower, higher in pairwise(("level_intermediate", "level_advanced", "level_expert")):
            for part in LevelThreshold.model_fields:
                least, asked = (
                    getattr(getattr(self, lower), part),
                    getattr(getattr(self, higher), part),
                )
                if asked < least:
                    yield (
                        f"{PREFIX}{higher.upper()}__{part.upper()} is {asked:g}, and "
                        f"{PREFIX}{lower.upper()}__{part.upper()} is {least:g}: "
                        "a higher level cannot ask for less."
                    )


class KafkaSettings(SharedSettings):
    """How Kafka is reached and what its topics are; needs no database."""

    kafka_bootstrap: BootstrapServers = Field(
        description="Kafka's bootstrap servers, `host:port[,host:port]`."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to speak to the brokers."
    )
    kafka_ssl_ca_file: Path | None = Field(
        default=None, description="CA certificates that sign the brokers' certificates (PEM)."
    )
    kafka_ssl_cert_file: Path | None = Field(
        default=None, description="Our own certificate, where the brokers ask for one (PEM)."
    )
    kafka_ssl_key_file: Path | None = Field(
        default=None,
        description="Its private key, without a password (PEM); by default in the same file.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="The SASL mechanism, with a SASL protocol."
    )
    kafka_sasl_username: str | None = Field(default=None, description="The SASL user.")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="Its password.")
    kafka_idempotent_producer: bool = Field(
        default=True, description="Off only for a broker that lacks InitProducerId."
    )
    kafka_session_timeout_seconds: Seconds = Field(
        default=30.0, ge=1, description="After this silence a worker's partitions move on."
    )
    kafka_rebalance_timeout_seconds: Seconds = Field(
        default=60.0, ge=1, description="How long the group waits for its members to rejoin."
    )
    kafka_request_timeout_seconds: Seconds = Field(
        default=30.0, ge=1, description="The time limit of one request to a broker."
    )
    kafka_metadata_max_age_seconds: Seconds = Field(
        default=60.0, ge=1, description="Partitions that are added are read within so long."
    )

    consumer_group: str = Field(
        default="progress-worker",
        min_length=1,
        description="The group of all workers; that of the commands adds `-commands`.",
    )
    completed_topic: TopicName = Field(
        default="exercise-completed", description="Where events come from."
    )
    unlocked_topic: TopicName = Field(
        default="achievement-unlocked", description="Where unlocks go."
    )
    level_topic: TopicName = Field(
        default="skill-level-changed", description="Where level changes go."
    )
    dead_letter_topic: TopicName = Field(
        default="exercise-completed.dlq", description="Where dead letters go."
    )
    commands_topic: TopicName = Field(
        default="progress-commands", description="Where commands come from."
    )
    topic_partitions: int = Field(
        default=8, ge=1, description="Partitions of the topics that `topics create` makes."
    )
    topic_replication: int = Field(default=3, ge=1, description="Their replication factor.")

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password
        ):
            yield (
                f"{PREFIX}KAFKA_SASL_USERNAME and {PREFIX}KAFKA_SASL_PASSWORD are needed with "
                f"{PREFIX}KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}."
            )
        owners: dict[str, str] = {}
        for name in TOPICS:
            first = owners.setdefault(getattr(self, name), name)
            if first != name:
                yield (
                    f"{PREFIX}{first.upper()} and {PREFIX}{name.upper()} are both "
                    f"{getattr(self, name)}: give each its own topic."
                )


class Settings(KafkaSettings):
    """The worker's whole configuration, read from `PROGRESS_*` variables."""

    database_url: PostgresUrl = Field(
        description="The worker's Postgres, `postgresql://user:password@host:port/database`."
    )
    database_pool_size: int = Field(
        default=6,
        ge=3,
        le=100,
        description="Connections to Postgres: one a lane, one of the relay, the rest for all else.",
    )
    database_connect_timeout_seconds: Seconds = Field(
        default=5.0, ge=1, description="The time limit of one new connection."
    )
    database_statement_timeout_seconds: Seconds = Field(
        default=20.0,
        gt=0,
        description="The time limit of a statement and of a batch's transaction; shorter than the "
        "rebalance timeout.",
    )

    lanes: int = Field(
        default=2, ge=1, le=32, description="Batches in hand at once, each of its own partitions."
    )
    batch_max_events: int = Field(
        default=2_000, ge=1, le=50_000, description="Events of one transaction at most."
    )
    cached_learners: int = Field(
        default=5_000, ge=0, description="Learners kept in memory between batches; 5 KB each."
    )
    drain_timeout_seconds: Seconds = Field(
        default=15.0, gt=0, description="How long a batch in hand may take at a stop or rebalance."
    )
    retry_max_wait_seconds: Seconds = Field(
        default=15.0, gt=0, description="The longest pause between two tries."
    )
    stall_timeout_seconds: Seconds = Field(
        default=120.0,
        gt=0,
        description="Without progress for so long although there is work, the worker ends itself.",
    )
    max_value_bytes: int = Field(
        default=65_536, ge=1, description="A larger record value is dead-lettered."
    )
    max_future_seconds: Seconds = Field(
        default=300.0, ge=0, description="How far `completed_at` may lie in the future."
    )
    outbox_batch: int = Field(
        default=500, ge=1, description="Records that the relay sends at once."
    )
    outbox_poll_seconds: Seconds = Field(
        default=0.05,
        gt=0,
        description="How often an idle relay looks for records that no batch of its worker wrote.",
    )
    emit_level_changes: bool = Field(
        default=False, description="Publish `skill.level.changed.v1` too."
    )

    completion_retention_days: int | None = Field(
        default=None,
        ge=366,
        description="Completions older than so many days are deleted, their sums kept; for ever "
        "when not given. What that costs: operations.md, Keep completions for a limited time.",
    )
    parked_retention_days: int | None = Field(
        default=None,
        ge=30,
        description="Records that Kafka refused for good are deleted after so many days; never "
        "when not given.",
    )
    housekeeping_seconds: Seconds = Field(
        default=10.0, gt=0, description="The pause between two steps of these deletions."
    )

    event_source: str = Field(
        default="/progress-worker", min_length=1, description="`ce_source` of what we publish."
    )
    tracing_endpoint: HttpUrl | None = Field(
        default=None,
        description="Where spans go by OTLP over HTTP, `http://collector:4318`; without it none "
        "are made.",
    )
    web_host: str = Field(default="0.0.0.0", description="Where the worker's probes listen.")  # noqa: S104
    web_port: int = Field(default=6066, ge=0, le=65_535, description="The port of the probes.")

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        limit = self.kafka_rebalance_timeout_seconds
        for name in ("drain_timeout_seconds", "database_statement_timeout_seconds"):
            if getattr(self, name) >= limit:
                yield (
                    f"{PREFIX}{name.upper()} is {getattr(self, name):g}: it must be shorter than "
                    f"{PREFIX}KAFKA_REBALANCE_TIMEOUT_SECONDS, which is {limit:g}."
                )


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


def environment_names() -> set[str]:
    """The names of all variables with our prefix that are set and not empty, in capitals."""
    return {
        name.upper()
        for name, value in os.environ.items()
        if name.upper().startswith(PREFIX) and value
    }


_RULES = ("CATALOGUE_FILE", "LEVEL_INTERMEDIATE", "LEVEL_ADVANCED", "LEVEL_EXPERT")


def rule_environment() -> dict[str, str]:
    """The variables that are set and decide rules; the catalogue's path is absolute."""
    catalogue = PREFIX + _RULES[0]
    found = {
        name.upper(): value
        for name, value in os.environ.items()
        if name.upper().partition("__")[0] in {PREFIX + rule for rule in _RULES}
    }
    if catalogue in found:
        found[catalogue] = str(Path(found[catalogue]).absolute())
    return found


def replace_environment(variables: Mapping[str, str]) -> None:
    """Make these the only settings of this process and of those that it starts."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(variables)


_Loaded = TypeVar("_Loaded", bound=OurSettings)


def load_settings(**overrides: object) -> Settings:
    """Read the settings; raises ConfigurationError with a sentence for each thing wrong."""
    return _load(Settings, overrides)


def load_kafka_settings(**overrides: object) -> KafkaSettings:
    """Read what speaks to Kafka alone; raises ConfigurationError as `load_settings` does."""
    return _load(KafkaSettings, overrides)


def load_token_settings(**overrides: object) -> TokenSettings:
    """Read what mints and checks tokens; raises ConfigurationError as `load_settings` does."""
    return _load(TokenSettings, overrides)


def load_view_settings(**overrides: object) -> ViewSettings:
    """Read the view's settings; raises ConfigurationError as `load_settings` does."""
    return _load(ViewSettings, overrides)


def load_shared_settings(**overrides: object) -> SharedSettings:
    """Read the rules and the logs; raises ConfigurationError as `load_settings` does."""
    return _load(SharedSettings, overrides)


def load_migration_settings(**overrides: object) -> MigrationSettings:
    """Read what `migrate` needs; raises ConfigurationError as `load_settings` does."""
    return _load(MigrationSettings, overrides)


def _load(kind: type[_Loaded], overrides: dict[str, object]) -> _Loaded:
    try:
        return kind(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        names = {name.removeprefix(PREFIX).lower() for name in environment_names()}
        told = "\n".join(complaints(kind, error, names | set(overrides)))
        raise ConfigurationError(told) from None
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        raise ConfigurationError(f"{PREFIX}{field.upper()} is wrong: {JSON_WANTED}.") from None
