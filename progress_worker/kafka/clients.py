"""The options of every Kafka client: address, security, time limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext, SSLError
from typing import Any, Final

import faust
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidRequestError,
    KafkaError,
    UnknownError,
    UnsupportedVersionError,
)
from aiokafka.helpers import create_ssl_context

from progress_worker.errors import ConfigurationError, TransientError
from progress_worker.settings.complaints import PREFIX, unreadable
from progress_worker.settings.kafka import KafkaSettings

#: The largest record that a producer sends.
MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
READ_COMMITTED: Final = "read_committed"
#: How often a consumer looks whether there is something to fetch, if nothing wakes it.
LOOK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 10.0
#: The errors by which a broker refuses InitProducerId, an idempotent producer's first request.
_NO_PRODUCER_ID: Final = (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidRequestError,
    NotImplementedError,  # the broker only offers versions that the client does not speak
    UnknownError,
    UnsupportedVersionError,
)

_log = structlog.get_logger()


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options for any aiokafka client: address, security and limits."""
    return connection_options(settings) | {
        "bootstrap_servers": settings.kafka_bootstrap,
        "metadata_max_age_ms": int(settings.kafka_metadata_max_age_seconds * 1000),
    }


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options of one connection, without its address."""
    options: dict[str, Any] = {
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": int(settings.kafka_request_timeout_seconds * 1000),
        "client_id": f"progress-worker-{settings.instance}",
    }
    if settings.kafka_security_protocol in {"SSL", "SASL_SSL"}:
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        password = settings.kafka_sasl_password
        options["sasl_plain_password"] = password.get_secret_value() if password else None
    return options


def _ssl_context(settings: KafkaSettings) -> SSLContext:
    ca, own, key = (
        settings.kafka_ssl_ca_file,
        settings.kafka_ssl_cert_file,
        settings.kafka_ssl_key_file,
    )
    for name, path in (("CA", ca), ("CERT", own), ("KEY", key)):
        if path is not None:
            _check_readable(f"{PREFIX}KAFKA_SSL_{name}_FILE", path)
    try:
        context: SSLContext = create_ssl_context(cafile=str(ca) if ca else None)
    except SSLError as error:
        raise ConfigurationError(
            f"{PREFIX}KAFKA_SSL_CA_FILE is wrong: {ca} holds no certificate in PEM."
        ) from error
    if own is not None:
        try:
            # If no password is given, OpenSSL asks for that of an encrypted key on the terminal.
            context.load_cert_chain(own, key, password="")
        except SSLError as error:
            raise ConfigurationError(
                f"{PREFIX}KAFKA_SSL_CERT_FILE or {PREFIX}KAFKA_SSL_KEY_FILE is wrong: "
                f"{_key_problem(error)}."
            ) from error
    return context


def _check_readable(variable: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise unreadable(variable, path, error) from error


def _key_problem(error: SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the private key is not that of the certificate"
    return "they must hold a certificate and its private key, in PEM and without a password"


def reading_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options for any consumer. It sees no record of a transaction that is open or aborted."""
    return client_options(settings) | {"isolation_level": READ_COMMITTED}


def consumer_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options for a member of the group that commits its offsets itself.

    They switch off the client's own limit between two polls. So a worker that waits for Postgres
    keeps its partitions. The watchdog ends a worker that is stuck.
    """
    return reading_options(settings) | {
        "group_id": settings.consumer_group,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "session_timeout_ms": int(settings.kafka_session_timeout_seconds * 1000),
        "heartbeat_interval_ms": int(settings.kafka_session_timeout_seconds * 1000 / 10),
        "rebalance_timeout_ms": int(settings.kafka_rebalance_timeout_seconds * 1000),
        "max_poll_interval_ms": 2**31 - 1,
        "max_partition_fetch_bytes": 1024 * 1024,
        "fetch_max_wait_ms": int(settings.kafka_fetch_max_wait_seconds * 1000),
        "consumer_timeout_ms": int(LOOK_SECONDS * 1000),
    }


def producer_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options for a producer that waits for all in-sync replicas."""
    return client_options(settings) | {
        "acks": "all",
        "enable_idempotence": settings.kafka_idempotent_producer,
        "max_request_size": MAX_REQUEST_BYTES,
        "linger_ms": 2,
        "max_batch_size": 256 * 1024,  # by default a topic takes batches of 1 MiB
    }


@asynccontextmanager
async def running_producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """Start a producer, and stop it at the end.

    Raises TransientError with the cure if the broker refuses an idempotent producer. All other
    errors of the start, and those of the code that uses the producer, pass through.
    """
    producer = AIOKafkaProducer(**producer_options(settings))
    try:
        async with asyncio.timeout(settings.kafka_request_timeout_seconds):
            await _start(producer, settings)
        yield producer
    finally:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await producer.stop()
        except (KafkaError, TimeoutError) as error:
            _log.warning("producer_stop_failed", error=type(error).__name__)


async def _start(producer: AIOKafkaProducer, settings: KafkaSettings) -> None:
    try:
        await producer.start()
    except _NO_PRODUCER_ID as error:
        if not settings.kafka_idempotent_producer:
            raise
        raise TransientError(
            f"Kafka refuses an idempotent producer (InitProducerId: {type(error).__name__}): "
            f"set {PREFIX}KAFKA_IDEMPOTENT_PRODUCER=false for a broker that does not support it, "
            "or allow IdempotentWrite."
        ) from error


def faust_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options for Faust's own clients, which read the commands topic and elect the leader."""
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
