"""How this deployment's Kafka is spoken to: what every client of ours is given."""

from __future__ import annotations

from pathlib import Path
from ssl import SSLContext
from typing import Any, Final

import faust
from aiokafka.helpers import create_ssl_context

from progress_worker.errors import ConfigurationError
from progress_worker.settings import PREFIX, KafkaSettings

#: No record of more than this is sent.
MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Address, security and time limit, for any aiokafka client."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": int(settings.kafka_request_timeout_seconds * 1000),
        "client_id": f"progress-worker-{settings.instance}",
    }
    if settings.kafka_security_protocol in {"SSL", "SASL_SSL"}:
        options["ssl_context"] = _ssl_context(settings.kafka_ssl_ca_file)
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        password = settings.kafka_sasl_password
        options["sasl_plain_password"] = password.get_secret_value() if password else None
    return options


def _ssl_context(ca_file: Path | None) -> SSLContext:
    try:
        context: SSLContext = create_ssl_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}KAFKA_SSL_CA_FILE is wrong: {error}.") from error
    return context


def consumer_options(settings: KafkaSettings) -> dict[str, Any]:
    """For a member of the group whose offsets are committed by hand.

    The client's own limit between two polls is out of the way: a worker that waits for Postgres
    keeps its partitions, and the watchdog ends one that is stuck.
    """
    return client_options(settings) | {
        "group_id": settings.consumer_group,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "session_timeout_ms": int(settings.kafka_session_timeout_seconds * 1000),
        "heartbeat_interval_ms": int(settings.kafka_session_timeout_seconds * 1000 / 10),
        "rebalance_timeout_ms": int(settings.kafka_rebalance_timeout_seconds * 1000),
        "max_poll_interval_ms": 2**31 - 1,
        "max_partition_fetch_bytes": 1024 * 1024,
        "fetch_max_wait_ms": 100,  # the embedded broker answers late, not when records arrive
    }


def producer_options(settings: KafkaSettings) -> dict[str, Any]:
    """For a producer that waits for all in-sync replicas."""
    return client_options(settings) | {
        "acks": "all",
        "enable_idempotence": settings.kafka_idempotent_producer,
        "max_request_size": MAX_REQUEST_BYTES,
        "linger_ms": 2,
        "max_batch_size": 256 * 1024,  # a topic takes batches of 1 MiB unless told otherwise
    }


def faust_options(settings: KafkaSettings) -> dict[str, Any]:
    """For Faust's own clients, which read the commands topic and elect the leader."""
    options: dict[str, Any] = {
        "broker": [f"aiokafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        "broker_session_timeout": settings.kafka_session_timeout_seconds,
        "broker_heartbeat_interval": settings.kafka_session_timeout_seconds / 10,
        "broker_rebalance_timeout": settings.kafka_rebalance_timeout_seconds,
        "broker_request_timeout": max(
            settings.kafka_request_timeout_seconds, settings.kafka_session_timeout_seconds + 1
        ),
        "topic_replication_factor": settings.topic_replication,
        "topic_partitions": settings.topic_partitions,
    }
    ssl_context = client_options(settings).get("ssl_context")
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        options["broker_credentials"] = faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=password.get_secret_value() if password else None,
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=ssl_context,
        )
    elif ssl_context is not None:
        options["broker_credentials"] = faust.SSLCredentials(ssl_context)
    return options
