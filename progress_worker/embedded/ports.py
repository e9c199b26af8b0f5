"""A free TCP port on the loopback interface."""

from __future__ import annotations

import random
import socket

from progress_worker.errors import FatalError

LOOPBACK = "127.0.0.1"

#: Below the ephemeral ports of every system. So no outgoing connection takes such a port while its
#: server restarts, and no client that keeps trying it connects to itself.
_RANGE = (15_000, 32_000)
_ATTEMPTS = 100


def free_port() -> int:
    """A port on which nobody listens now. Another process may take it first, so try again then."""
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
