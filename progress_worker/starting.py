"""What is looked at before a worker or a view starts: whatever no waiting mends ends the start."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path
from tempfile import gettempdir
from typing import Literal

from progress_worker.errors import ConfigurationError
from progress_worker.settings import PREFIX, KafkaSettings
from progress_worker.topics import partition_counts


def check_port(part: Literal["WEB", "VIEW"], host: str, port: int) -> None:
    """Raises ConfigurationError where nothing of ours can listen."""
    host_name, port_name = f"{PREFIX}{part}_HOST", f"{PREFIX}{part}_PORT"
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
    except socket.gaierror as error:
        raise ConfigurationError(f"{host_name} is wrong: the name {host} is unknown.") from error
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                reason = (
                    f"{port_name} is wrong: another process listens on port {port}; stop it or "
                    "choose another port"
                )
            case errno.EACCES:
                reason = (
                    f"{port_name} is wrong: this user may not listen on port {port}; choose one "
                    "above 1023"
                )
            case errno.EADDRNOTAVAIL:
                reason = f"{host_name} is wrong: this machine does not have the address {host}"
            case _:
                reason = f"{host_name} or {port_name} is wrong: {error.strerror}"
        raise ConfigurationError(f"{reason}.") from error


def check_kafka(settings: KafkaSettings) -> None:
    """Raises TransientError where no broker answers: Faust would end with a traceback."""
    loop = asyncio.new_event_loop()  # asyncio.run would take the thread's loop from Faust
    try:
        loop.run_until_complete(partition_counts(settings))
    finally:
        loop.close()


def data_directory() -> Path:
    """Where Faust makes its directories, which stay empty.

    Raises ConfigurationError where they cannot be made.
    """
    try:
        directory = Path(gettempdir()) / f"progress-worker-{os.getuid()}"
        (directory / "v1").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = error.filename or "A directory for temporary files"
        raise ConfigurationError(
            f"{where} cannot be written ({error.strerror}): set TMPDIR to a directory that can."
        ) from error
    return directory
