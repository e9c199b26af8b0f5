"""The connection to Kafka, and its topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr

from progress_worker.settings.addresses import BootstrapServers, TopicName
from progress_worker.settings.base import Seconds, load
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.shared import SharedSettings

TOPIC_SETTINGS: Final = (
    "completed_topic",
    "unlocked_topic",
    "level_topic",
    "streaks_topic",
    "changes_topic",
    "erased_topic",
    "dead_letter_topic",
    "commands_topic",
    "commands_dead_letter_topic",
)


class KafkaSettings(SharedSettings):
    """The connection to Kafka, and its topics. Needs no database."""

    kafka_bootstrap: BootstrapServers = Field(
        description="Kafka's bootstrap servers, `host:port[,host:port]`."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="The protocol that the brokers speak."
    )
    kafka_ssl_ca_file: Path | None = Field(
        default=None, description="CA certificates that sign the brokers' certificates (PEM)."
    )
    kafka_ssl_cert_file: Path | None = Field(
        default=None, description="The client's certificate, if the brokers ask for one (PEM)."
    )
    kafka_ssl_key_file: Path | None = Field(
        default=None,
        description="The certificate's private key, without a password (PEM). If not set, it is "
        "in the certificate's file.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="The SASL mechanism, if the protocol is SASL."
    )
    kafka_sasl_username: str | None = Field(default=None, description="The SASL user.")
    kafka_sasl_password: SecretStr | None = Field(
        default=None, description="The SASL user's password."
    )
    kafka_idempotent_producer: bool = Field(
        default=True,
        description="Set it to `false` only if the broker does not support InitProducerId.",
    )
    kafka_session_timeout_seconds: Seconds = Field(
        default=30.0,
        ge=1,
        description="If a worker is silent for this long, other workers get its partitions.",
    )
    kafka_rebalance_timeout_seconds: Seconds = Field(
        default=60.0, ge=1, description="How long the group waits for its members to rejoin."
    )
    kafka_request_timeout_seconds: Seconds = Field(
        default=30.0, ge=1, description="The time limit of one request to a broker."
    )
    kafka_metadata_max_age_seconds: Seconds = Field(
        default=60.0, ge=1, description="Added partitions are read within this time."
    )
    kafka_fetch_max_wait_seconds: Seconds = Field(
        default=0.5,
        ge=0.001,
        description="How long a broker may hold back the answer to a fetch while there is nothing "
        "to read. Lower it if the broker does not answer as soon as a record arrives.",
    )

    consumer_group: str = Field(
        default="progress-worker",
        min_length=1,
        description="The consumer group of all workers. The group for commands has the same name "
        "and `-commands` at its end.",
    )
    completed_topic: TopicName = Field(
        default="exercise-completed", description="The topic that events are read from."
    )
    unlocked_topic: TopicName = Field(
        default="achievement-unlocked", description="The topic that unlocks are published to."
    )
    level_topic: TopicName = Field(
        default="skill-level-changed", description="The topic that level changes are published to."
    )
    streaks_topic: TopicName = Field(
        default="learner-streaks",
        description="The topic that warnings of streaks at risk are published to.",
    )
    changes_topic: TopicName = Field(
        default="achievement-changes",
        description="The topic that lost unlocks and digests of back-fills are published to.",
    )
    erased_topic: TopicName = Field(
        default="learner-erased",
        description="The topic that completed erasures are published to.",
    )
    dead_letter_topic: TopicName = Field(
        default="exercise-completed.dlq",
        description="The topic that events are published to if they cannot be applied.",
    )
    commands_topic: TopicName = Field(
        default="progress-commands", description="The topic that commands are read from."
    )
    commands_dead_letter_topic: TopicName = Field(
        default="progress-commands.dlq",
        description="The topic that commands are published to if they cannot be carried out.",
    )
    topic_partitions: int = Field(
        default=8, ge=1, description="Partitions of the topics that `topics create` creates."
    )
    topic_replication: int = Field(
        default=3, ge=1, description="Replication factor of these topics."
    )

    @property
    def commands_group(self) -> str:
        """The consumer group that reads the commands."""
        return f"{self.consumer_group}-commands"

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password
        ):
            yield (
                f"{PREFIX}KAFKA_SASL_USERNAME and {PREFIX}KAFKA_SASL_PASSWORD are needed with "
                f"{PREFIX}KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}."
            )
        wait, limit = self.kafka_fetch_max_wait_seconds, self.kafka_request_timeout_seconds
        if wait >= limit:
            yield (
                f"{PREFIX}KAFKA_FETCH_MAX_WAIT_SECONDS is {wait:g}: it must be shorter than "
                f"{PREFIX}KAFKA_REQUEST_TIMEOUT_SECONDS, which is {limit:g}."
            )
        owners: dict[str, str] = {}
        for name in TOPIC_SETTINGS:
            first = owners.setdefault(getattr(self, name), name)
            if first != name:
                yield (
                    f"{PREFIX}{first.upper()} and {PREFIX}{name.upper()} are both "
                    f"{getattr(self, name)}: give each its own topic."
                )


def load_kafka_settings(**overrides: object) -> KafkaSettings:
    """Read the settings of commands that only use Kafka; raises ConfigurationError."""
    return load(KafkaSettings, overrides)
