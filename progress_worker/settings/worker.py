"""All settings of the worker."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, SecretStr

from progress_worker.settings.addresses import HttpUrl, PostgresUrl
from progress_worker.settings.base import Seconds, load
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import KafkaSettings


class Settings(KafkaSettings):
    """All settings of the worker, read from `PROGRESS_*` variables."""

    database_url: PostgresUrl = Field(
        description="The worker's Postgres, `postgresql://user:password@host:port/database`."
    )
    database_pool_size: int = Field(
        default=6,
        ge=3,
        le=100,
        description="Connections to Postgres: one for each lane, one for the relay, "
        "the rest for everything else.",
    )
    database_connect_timeout_seconds: Seconds = Field(
        default=5.0, ge=1, description="Time limit of one new connection to Postgres."
    )
    database_statement_timeout_seconds: Seconds = Field(
        default=20.0,
        gt=0,
        description="Time limit of a statement and of a batch's transaction. It must be shorter "
        "than the rebalance timeout.",
    )

    lanes: int = Field(
        default=2,
        ge=1,
        le=32,
        description="How many batches the worker applies at once, each of other partitions, while "
        "it has a backlog.",
    )
    batch_max_events: int = Field(
        default=2_000, ge=1, le=50_000, description="The largest number of events in a batch."
    )
    batch_wait_seconds: Seconds = Field(
        default=0.05,
        ge=0,
        le=1,
        description="The longest time that events gather before a batch is read. A single event "
        "does not wait, and neither does a backlog. 0 applies what comes at once, which takes two "
        "to three times the processor time at some hundred events a second.",
    )
    cached_learners: int = Field(
        default=5_000, ge=0, description="Learners kept in memory between batches, 5 KB each."
    )
    drain_timeout_seconds: Seconds = Field(
        default=15.0,
        gt=0,
        description="How long a batch that has begun may still take at a stop or rebalance.",
    )
    retry_max_wait_seconds: Seconds = Field(
        default=15.0, gt=0, description="The longest pause between two attempts."
    )
    stall_timeout_seconds: Seconds = Field(
        default=120.0,
        gt=0,
        description="If there is work but no progress for this long, the worker ends itself.",
    )
    max_value_bytes: int = Field(
        default=65_536, ge=1, description="A record with a larger value is dead-lettered."
    )
    max_future_seconds: Seconds = Field(
        default=300.0, ge=0, description="How far `completed_at` may be in the future."
    )
    outbox_batch: int = Field(
        default=500, ge=1, description="How many records the relay sends together."
    )
    outbox_poll_seconds: Seconds = Field(
        default=2.0,
        gt=0,
        description="How often an idle relay looks for records that nobody has announced, as those "
        "of a worker that died after its commit.",
    )
    emit_level_changes: bool = Field(
        default=False, description="Also publish `skill.level.changed.v1`."
    )
    unlock_translations: bool = Field(
        default=False,
        description="Unlocks also carry the achievement's name and description in every language "
        "that the rule book has them in.",
    )
    emit_revocations: bool = Field(
        default=True,
        description="Publish `achievement.revoked.v1` for unlocks that are lost, which only "
        "achievements with `revocation: withdraw` can be.",
    )
    erasure_pepper: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="A secret of 16 characters or more. The list of erased learners holds their "
        "ids only as HMAC-SHA256 with it. Without it, no learner can be erased. It can never be "
        "changed: keep it as long as the list.",
    )
    streak_at_risk_hours: int | None = Field(
        default=None,
        ge=1,
        # The last day that can save a streak has 23 hours or more, so this falls on that day.
        le=23,
        description="Publish `streak.at_risk.v1` this many hours before a learner's streak is "
        "lost, on the last day that can save it. Learners are known to it from their next event "
        "on. If not set, nobody is warned, and nothing is stored for it.",
    )

    completion_retention_days: int | None = Field(
        default=None,
        ge=366,
        description="Completions older than this many days are deleted; their sums are kept. If "
        "not set, completions are kept for ever. operations.md, Keep completions for a limited "
        "time, says what you give up.",
    )
    learner_retention_days: int | None = Field(
        default=None,
        ge=30,
        description="Learners whose last active or excused day, and whose last choice of "
        "preferences, is more than this many days ago are erased: once a day, the leader sends the "
        "same command as `progress-worker erase` does. Needs a pepper. If not set, learners are "
        "kept for ever.",
    )
    parked_retention_days: int | None = Field(
        default=None,
        ge=30,
        description="Records that Kafka refused for good are deleted after this many days. If not "
        "set, they are kept for ever.",
    )
    housekeeping_seconds: Seconds = Field(
        default=10.0, gt=0, description="Pause between two steps of these deletions."
    )

    walk_learners_per_second: float = Field(
        default=200.0,
        gt=0,
        le=100_000,
        description="How many learners a second the walk derives again after a change of the rule "
        "book. It waits while the lag grows.",
    )
    rarity_hours: int = Field(
        default=24,
        ge=0,
        # The view forgets a count after a month.
        le=168,
        description="How often it is counted how many learners hold each achievement, in hours; "
        "also counted once everybody was moved to a changed rule book. 0 switches it off.",
    )

    tracing_endpoint: HttpUrl | None = Field(
        default=None,
        description="Where the worker sends spans by OTLP over HTTP, for example "
        "`http://collector:4318`. If not set, it creates none.",
    )
    web_host: str = Field(default="0.0.0.0", description="The address on which the probes listen.")  # noqa: S104
    web_port: int = Field(
        default=6066, ge=1, le=65_535, description="The port on which the probes listen."
    )

    @property
    def commands_at_once(self) -> int:
        """Two if the pool has enough connections, otherwise one.

        Each lane, the relay and the timers need a connection of their own.
        """
        return max(1, min(2, self.database_pool_size - self.lanes - 2))

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        limit = self.kafka_rebalance_timeout_seconds
        if self.learner_retention_days is not None and self.erasure_pepper is None:
            yield (
                f"{PREFIX}LEARNER_RETENTION_DAYS is set and {PREFIX}ERASURE_PEPPER is not: nobody "
                "can be erased without it."
            )
        for name in ("drain_timeout_seconds", "database_statement_timeout_seconds"):
            if getattr(self, name) >= limit:
                yield (
                    f"{PREFIX}{name.upper()} is {getattr(self, name):g}: it must be shorter than "
                    f"{PREFIX}KAFKA_REBALANCE_TIMEOUT_SECONDS, which is {limit:g}."
                )


def load_settings(**overrides: object) -> Settings:
    """Read the settings. Raises ConfigurationError with a sentence for each thing that is wrong."""
    return load(Settings, overrides)
