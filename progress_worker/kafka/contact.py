"""Finds out whether the brokers answer, and says in words why they do not."""

from __future__ import annotations

import asyncio
import re
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import ApiVersionRequest

from progress_worker.errors import TransientError
from progress_worker.kafka.clients import connection_options
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.kafka import KafkaSettings

_ASK_AGAIN_SECONDS: Final = 5.0


async def ask(client: AIOKafkaClient) -> None:
    """Return as soon as one of the brokers answers this client. Raises KafkaError if none does.

    Waits as long as the client waits for a connection and an answer. The client may belong to
    another thread.
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
    """The error to raise if a client failed. It names the address, its variable and the reason.

    A client that cannot connect only logs the reason. So this asks the brokers once more, for a few
    seconds.
    """
    reason = in_words(error)
    if isinstance(error, KafkaConnectionError | TimeoutError):
        reason = await _refusal(settings) or reason
    return TransientError(
        f"Kafka cannot be reached at {settings.kafka_bootstrap} ({PREFIX}KAFKA_BOOTSTRAP): "
        f"{reason}."
    )


def in_words(error: Exception | type[Exception]) -> str:
    """An error of the client or of a broker in plain words, without a full stop at the end."""
    kind = error if isinstance(error, type) else type(error)
    if issubclass(kind, TimeoutError | KafkaTimeoutError):
        return "no answer in time"
    if issubclass(kind, KafkaConnectionError):
        return "no broker accepts connections"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if described := getattr(kind, "description", None):
        return str(described).rstrip(".")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__.removesuffix("Error")).lower()


async def _refusal(settings: KafkaSettings) -> str | None:
    """Why no connection to a bootstrap server succeeds; None if one of them accepts us."""
    options = connection_options(settings)
    reason = None
    try:
        async with asyncio.timeout(_ASK_AGAIN_SECONDS):
            for host, port, _ in collect_hosts(settings.kafka_bootstrap, randomize=False):
                reason = await _refusal_of(host, port, options)
                if reason is None:
                    return None
    except TimeoutError:
        return reason or f"no answer within {_ASK_AGAIN_SECONDS:g} s"
    return reason


async def _refusal_of(host: str, port: int, options: dict[str, Any]) -> str | None:
    try:
        connection = await create_conn(host, port, **options)
    except SSLCertVerificationError as error:
        return f"the broker's certificate is refused: {error.verify_message.rstrip('.')}"
    except SSLError as error:
        return f"no TLS with the broker: {error.reason}"
    except SaslAuthenticationFailed:
        return "the broker refuses the SASL user or its password"
    except UnsupportedSaslMechanismError:
        return f"the broker does not offer {options['sasl_mechanism']}"
    except (KafkaConnectionError, ConnectionResetError, ConnectionAbortedError):
        return (
            f"the broker ends the connection at once: {PREFIX}KAFKA_SECURITY_PROTOCOL may be "
            "another than the port's, or the broker may ask for a certificate of ours"
        )
    except (KafkaError, OSError) as error:
        return _no_connection(host, port, error)
    connection.close()
    return None


def _no_connection(host: str, port: int, error: Exception) -> str:
    match error:
        case gaierror():
            return f"the name {host} is unknown"
        case ConnectionRefusedError():
            return f"nothing listens on port {port} of {host}"
        case _:
            return in_words(error)
