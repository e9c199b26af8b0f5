"""The worker's whole configuration."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from progress_worker.settings.addresses import HttpUrl, PostgresUrl
from progress_worker.settings.base import Seconds, load
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import KafkaSettings


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


def load_settings(**overrides: object) -> Settings:
    """Read the settings; raises ConfigurationError with a sentence for each thing wrong."""
    return load(Settings, overrides)
