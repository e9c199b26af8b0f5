"""A free TCP port on the loopback interface."""

from __future__ import annotations

import random
import socket

from progress_worker.errors import FatalError

LOOPBACK = "127.0.0.1"

#: Below every system's ephemeral ports: no outgoing connection takes such a port while its server
#: is being restarted, and no client that keeps dialling it ends up connected to itself.
_RANGE = (15_000, 32_000)
_ATTEMPTS = 100


def free_port() -> int:
    """A port that nobody listens on now; somebody may before you do, so be ready to try again."""
    for _ in range(_ATTEMPTS):
        port = random.SystemRandom().randrange(*_RANGE)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise FatalError(f"No free port was found on {LOOPBACK} between {_RANGE[0]} and {_RANGE[1]}.")
