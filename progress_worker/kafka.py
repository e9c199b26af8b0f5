"""How this deployment's Kafka is spoken to: what every client of ours is given."""

from __future__ import annotations

import asyncio
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Any, Final

import faust
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context
from aiokafka.protocol.admin import ApiVersionRequest

from progress_worker.errors import ConfigurationError, TransientError
from progress_worker.settings import PREFIX, KafkaSettings

#: No record of more than this is sent.
MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
_ASK_AGAIN_SECONDS: Final = 5.0


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Address, security and limits, for any aiokafka client."""
    return _connection_options(settings) | {
        "bootstrap_servers": settings.kafka_bootstrap,
        "metadata_max_age_ms": int(settings.kafka_metadata_max_age_seconds * 1000),
    }


def _connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """What one connection needs to know, whatever its address."""
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
    ca, own = settings.kafka_ssl_ca_file, settings.kafka_ssl_cert_file
    try:
        context: SSLContext = create_ssl_context(cafile=str(ca) if ca else None)
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}KAFKA_SSL_CA_FILE is wrong: {error}.") from error
    if own is not None:
        try:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(own, settings.kafka_ssl_key_file, password="")
        except OSError as error:
            raise ConfigurationError(
                f"{PREFIX}KAFKA_SSL_CERT_FILE or {PREFIX}KAFKA_SSL_KEY_FILE is wrong: {error}."
            ) from error
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
        "fetch_max_wait_ms": 50,  # the embedded broker answers late, not when records arrive
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


async def ask(client: AIOKafkaClient) -> None:
    """Return as soon as one of the brokers answers this client; raises KafkaError if none does.

    Waits as long as the client waits for a connection and an answer. The client may be another
    thread's.
    """
    question = asyncio.run_coroutine_threadsafe(_ask(client), client._loop)
    await asyncio.wrap_future(question)


async def _ask(client: AIOKafkaClient) -> None:
    questions = [
        asyncio.create_task(client.send(broker.nodeId, ApiVersionRequest()))
        for broker in client.cluster.brokers()
    ]
    failure: KafkaError = NodeNotReadyError("no broker is known")
    try:
        for answer in asyncio.as_completed(questions):
            try:
                await answer
            except KafkaError as error:
                failure = error
            else:
                return
    finally:
        for question in questions:
            question.cancel()
        await asyncio.gather(*questions, return_exceptions=True)
    raise failure


async def unreachable(settings: KafkaSettings, error: Exception) -> TransientError:
    """What to raise where a client could not work, with the reason where that is a refusal.

    A client that cannot connect only logs why: the brokers are asked once more, for a few seconds.
    """
    reason = type(error).__name__
    if isinstance(error, KafkaConnectionError):
        reason = await _refusal(settings) or reason
    return TransientError(f"Kafka cannot be reached: {reason}")


async def _refusal(settings: KafkaSettings) -> str | None:
    """Why one of the bootstrap servers refuses us, or we refuse it; None for any other failure."""
    options = _connection_options(settings)
    try:
        async with asyncio.timeout(_ASK_AGAIN_SECONDS):
            for host, port, _ in collect_hosts(settings.kafka_bootstrap):
                connection = await create_conn(host, port, **options)
                connection.close()
    except SSLCertVerificationError as error:
        return f"the broker's certificate is refused: {error.verify_message.rstrip('.')}"
    except SSLError as error:
        return f"no TLS with the broker: {error.reason}"
    except SaslAuthenticationFailed:
        return "the broker refuses the SASL user or its password"
    except UnsupportedSaslMechanismError:
        return f"the broker does not offer {settings.kafka_sasl_mechanism}"
    except (KafkaConnectionError, ConnectionResetError, ConnectionAbortedError):
        return (
            f"the broker ends the connection at once: {PREFIX}KAFKA_SECURITY_PROTOCOL may be "
            "another than the port's, or the broker may ask for a certificate of ours"
        )
    except (KafkaError, TimeoutError, OSError):
        return None
    return None
