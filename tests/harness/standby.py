"""A hot standby: a copy of a running Postgres that follows it, reads only, and can be promoted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from progress_worker.embedded.database import OWNER
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.embedded.postgres import Postgres
from tests.harness.storage import execute


class Standby(Postgres):
    """Follows `primary`, which has to run when this one first starts."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self._primary = primary

    def _creation(self) -> Sequence[str | Path]:
        copy = self._installation / "bin" / "pg_basebackup"
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        address = [f"--host={LOOPBACK}", f"--port={self._primary.port}", f"--username={OWNER}"]
        return [copy, f"--pgdata={self._data}", *options, *address]

    def promote(self) -> None:
        """Make it a primary of its own."""
        execute(self.url(), "SELECT pg_promote(wait => true, wait_seconds => 20)")
