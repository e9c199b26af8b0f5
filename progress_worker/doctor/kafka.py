"""Checks that Kafka answers, that the topics are right, and that the coordinator answers."""

from __future__ import annotations

import asyncio
from typing import Final

from progress_worker.doctor.findings import Finding
from progress_worker.errors import TransientError
from progress_worker.kafka.topics import GroupState, check_topics, group_state, partition_counts
from progress_worker.settings.kafka import KafkaSettings

_TRIES: Final = 6
_PAUSE_SECONDS: Final = 0.5


async def check_brokers(settings: KafkaSettings) -> list[Finding]:
    """Raises TransientError when no broker answers."""
    topics = await partition_counts(settings)
    return [Finding(f"Kafka answers at {settings.kafka_bootstrap} and has {len(topics)} topics.")]


async def check_wanted_topics(settings: KafkaSettings) -> list[Finding]:
    """A complaint for each topic that is missing or has other settings."""
    complaints = await check_topics(settings)
    count = f"{settings.completed_topic} with {settings.topic_partitions} partitions"
    good = Finding(f"All topics are as wanted, {count}.")
    return [Finding(complaint, wrong=True) for complaint in complaints] or [good]


async def check_group(settings: KafkaSettings) -> list[Finding]:
    """Whether the group's coordinator answers. Does not join the group."""
    found, group = await _state(settings), f"The consumer group {settings.consumer_group}"
    if found.state == "Dead":  # Kafka's word for a group that does not exist
        return [Finding(f"{group} does not exist yet; the first worker creates it.")]
    return [Finding(f"{group} is {found.state}, members: {found.members}.")]


async def _state(settings: KafkaSettings) -> GroupState:
    """Asks more than once: a new Kafka creates the storage of its groups at the first request."""
    for _ in range(_TRIES - 1):
        try:
            return await group_state(settings)
        except TransientError:
            await asyncio.sleep(_PAUSE_SECONDS)
    return await group_state(settings)
