"""Looks at Kafka: does it answer, are the topics as wanted, does the group's coordinator answer."""

from __future__ import annotations

from progress_worker.doctor.findings import Finding
from progress_worker.errors import TransientError
from progress_worker.settings import KafkaSettings
from progress_worker.topics import check_topics, group_state, partition_counts


async def check_brokers(settings: KafkaSettings) -> list[Finding]:
    """Raises TransientError when no broker answers."""
    try:
        topics = await partition_counts(settings)
    except TransientError as error:
        raise TransientError(f"{error}, at {settings.kafka_bootstrap}") from error
    return [Finding(f"Kafka answers at {settings.kafka_bootstrap} and has {len(topics)} topics.")]


async def check_wanted_topics(settings: KafkaSettings) -> list[Finding]:
    """A complaint for each topic that is missing or set otherwise."""
    complaints = await check_topics(settings)
    good = Finding(f"All topics are as wanted, with {settings.topic_partitions} partitions.")
    return [Finding(complaint, wrong=True) for complaint in complaints] or [good]


async def check_group(settings: KafkaSettings) -> list[Finding]:
    """Whether the group's coordinator answers; joins nothing."""
    found = await group_state(settings)
    return [
        Finding(
            f"The consumer group {settings.consumer_group} is {found.state.lower()} and has "
            f"{found.members} members."
        )
    ]
