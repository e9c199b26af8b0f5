"""Checks and settings before a worker starts. What cannot mend itself ends the start."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from tempfile import gettempdir

from progress_worker.errors import ConfigurationError
from progress_worker.kafka.topics import partition_counts
from progress_worker.settings.complaints import cannot_listen
from progress_worker.settings.kafka import KafkaSettings


def check_port(host: str, port: int) -> None:
    """Raises ConfigurationError if the worker's probes cannot listen."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
    except OSError as error:
        raise cannot_listen("WEB_HOST", host, "WEB_PORT", port, error) from error


def check_kafka(settings: KafkaSettings) -> None:
    """Raises TransientError if no broker answers. Otherwise Faust would end with a traceback."""
    loop = asyncio.new_event_loop()  # asyncio.run would take Faust's loop from the thread
    try:
        loop.run_until_complete(partition_counts(settings))
    finally:
        loop.close()


def data_directory() -> Path:
    """Where Faust makes its directories, which stay empty.

    Raises ConfigurationError if they cannot be made.
    """
    try:
        directory = Path(gettempdir()) / f"progress-worker-{os.getuid()}"
        (directory / "v1").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = f"{error.filename} cannot be written ({error.strerror})"
        if error.filename is None:
            where = "No directory for temporary files can be written"
        raise ConfigurationError(f"{where}: set TMPDIR to a directory that can.") from error
    return directory
