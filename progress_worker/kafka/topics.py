"""Creates the topics that the worker reads and writes, and checks their settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)

from progress_worker.errors import TransientError
from progress_worker.kafka.clients import client_options
from progress_worker.kafka.contact import in_words, unreachable
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import KafkaSettings

_DAY_MS = 86_400_000
_ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as this deployment wants it."""

    name: str
    partitions: int
    configuration: dict[str, str] = field(default_factory=dict)


def wanted_topics(settings: KafkaSettings) -> list[TopicSpec]:
    """All topics of the contract. Events are kept for 30 days, dead letters for a year."""
    partitions = settings.topic_partitions
    month = {"retention.ms": str(30 * _DAY_MS), "cleanup.policy": "delete"}
    year = {
        "retention.ms": str(365 * _DAY_MS),
        "cleanup.policy": "delete",
        "max.message.bytes": str(4 * 1024 * 1024),
    }
    return [
        TopicSpec(settings.completed_topic, partitions, month),
        TopicSpec(settings.unlocked_topic, partitions, month),
        TopicSpec(settings.level_topic, partitions, month),
        TopicSpec(settings.streaks_topic, partitions, month),
        TopicSpec(settings.changes_topic, partitions, month),
        TopicSpec(settings.erased_topic, partitions, month),
        TopicSpec(settings.dead_letter_topic, partitions, year),
        TopicSpec(settings.commands_topic, partitions, month),
        TopicSpec(settings.commands_dead_letter_topic, partitions, year),
    ]


async def partition_counts(settings: KafkaSettings) -> dict[str, int]:
    """The partitions of each topic that exists. Raises TransientError.

    Asks for all topics, because some brokers create a missing topic when a client asks for it.
    """
    async with _admin(settings) as admin:
        return await _partition_counts(admin)


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    described = await admin.describe_topics()
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in described
        if topic["error_code"] == 0 and topic["partitions"]
    }


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Create the wanted topics that are missing; returns their names. Raises TransientError.

    Returns when the broker that is asked names them: brokers learn of a new topic one by one.
    """
    existing = await partition_counts(settings)
    missing = [topic for topic in wanted_topics(settings) if topic.name not in existing]
    async with _admin(settings) as admin:
        if missing:
            response = await admin.create_topics(
                [
                    NewTopic(
                        topic.name,
                        topic.partitions,
                        settings.topic_replication,
                        topic_configs=topic.configuration,
                    )
                    for topic in missing
                ]
            )
            for name, code, *_ in response.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise TransientError(
                        f"Kafka did not create {name}: {in_words(error)}{_cure(error)}."
                    )
            await _until_named(admin, {topic.name for topic in missing})
    return [topic.name for topic in missing]


async def _until_named(admin: AIOKafkaAdminClient, topics: set[str]) -> None:
    while True:
        if topics <= (await _partition_counts(admin)).keys():
            return
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


def _cure(error: type[KafkaError]) -> str:
    if error is InvalidReplicationFactorError:
        return f"; {PREFIX}TOPIC_REPLICATION can be no more than there are brokers"
    return ""


class GroupState(NamedTuple):
    """The state of the consumer group, in Kafka's words, and how many members it has."""

    state: str
    members: int


async def group_state(settings: KafkaSettings) -> GroupState:
    """What the group's coordinator says about the consumer group. Raises TransientError."""
    async with _admin(settings) as admin:
        (response,) = await admin.describe_consumer_groups([settings.consumer_group])
    code, _group, state, _type, _protocol, members, *_ = response.groups[0]
    if code:
        raise TransientError(
            f"Kafka does not describe the group {settings.consumer_group}: "
            f"{in_words(for_code(code))}"
        )
    return GroupState(state, len(members))


async def check_topics(settings: KafkaSettings) -> list[str]:
    """A sentence for each difference from the wanted topics. Empty if there is none.

    Compares the number of partitions of the events' topic only. It limits the number of workers,
    and partitions may be added to that topic alone.
    """
    existing = await partition_counts(settings)
    wanted = wanted_topics(settings)
    present = [topic for topic in wanted if topic.name in existing]
    complaints = [f"The topic {t.name} does not exist." for t in wanted if t not in present]
    configurations = await _configurations(settings, [topic.name for topic in present])
    for topic in present:
        counted = topic.name == settings.completed_topic
        if counted and existing[topic.name] != topic.partitions:
            complaints.append(
                f"The topic {topic.name} has {existing[topic.name]} partitions instead of "
                f"{topic.partitions}."
            )
        found = configurations.get(topic.name, {})
        if isinstance(found, str):
            complaints.append(f"Kafka does not describe the topic {topic.name}: {found}.")
            continue
        complaints += [
            f"The topic {topic.name} has {name}={found.get(name)} instead of {value}."
            for name, value in topic.configuration.items()
            if found.get(name) != value
        ]
    return complaints


async def _configurations(
    settings: KafkaSettings, names: Sequence[str]
) -> dict[str, dict[str, str] | str]:
    """The settings of each topic, or the reason why Kafka does not describe it."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    async with _admin(settings) as admin:
        responses = await admin.describe_configs(resources)
    return {
        name: in_words(for_code(code)) if code else {entry[0]: entry[1] for entry in entries}
        for response in responses
        for code, _error_message, _type, name, entries in response.resources
    }


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        async with asyncio.timeout(settings.kafka_request_timeout_seconds):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        raise await unreachable(settings, error) from error
    finally:
        await admin.close()
