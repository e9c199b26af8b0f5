"""Deployments on any broker and database; makes the topics too."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from progress_worker import domain
from progress_worker.embedded.database import Database
from progress_worker.kafka.topics import create_topics
from progress_worker.settings.kafka import KafkaSettings
from tests.harness.kafka import Kafka
from tests.harness.worker import Deployment

#: The built-in rule book.
CATALOGUE_FILE = Path(domain.__file__).with_name("rulebook.yaml")


async def deploy(
    bootstrap: str, database: Database, directory: Path, *, idempotent: bool, replication: int = 1
) -> Deployment:
    """A deployment of its own.

    `idempotent` says that the broker is Apache Kafka: it takes such producers, and answers a fetch
    as soon as a record arrives.
    """
    deployment = Deployment(
        Kafka(bootstrap), database, f"t{uuid4().hex[:10]}-", directory, CATALOGUE_FILE
    )
    deployment.variables |= {
        "KAFKA_IDEMPOTENT_PRODUCER": str(idempotent).lower(),
        "TOPIC_REPLICATION": str(replication),
    }
    if idempotent:
        default = KafkaSettings.model_fields["kafka_fetch_max_wait_seconds"].default
        deployment.variables["KAFKA_FETCH_MAX_WAIT_SECONDS"] = str(default)
    await create_topics(deployment.settings())
    return deployment
