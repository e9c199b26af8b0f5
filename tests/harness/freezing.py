"""A frozen Postgres: the kernel still accepts connections, but nothing answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from progress_worker.embedded.postgres import Postgres


@contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    """No process of the server runs inside `with`."""
    # Stop the parent first, so that it starts no others.
    pids = [server.pid]
    os.kill(server.pid, signal.SIGSTOP)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text("ascii")
    pids += map(int, children.split())
    for pid in pids[1:]:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
