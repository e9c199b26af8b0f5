"""A hot standby: a read-only copy that follows a running Postgres and can be promoted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from progress_worker.embedded.database import OWNER_ROLE
from progress_worker.embedded.ports import LOOPBACK
from progress_worker.embedded.postgres import Postgres
from tests.harness.storage import execute, fetch
from tests.harness.waiting import wait_until


class Standby(Postgres):
    """Follows `primary`, which must be running when this one first starts."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__()
        self._primary = primary

    def _creation(self) -> Sequence[str | Path]:
        copy = self._installation / "bin" / "pg_basebackup"
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        address = [f"--host={LOOPBACK}", f"--port={self._primary.port}", f"--username={OWNER_ROLE}"]
        return [copy, f"--pgdata={self._data}", *options, *address]

    async def followed(self) -> None:
        """From now on a commit of the primary waits for this one."""
        execute(self._primary.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'")
        execute(self._primary.url(), "SELECT pg_reload_conf()")

        async def synchronous() -> bool:
            query = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
            return bool(fetch(self._primary.url(), query))

        await wait_until(synchronous, "the standby follows")

    def promote(self) -> None:
        """Make it a primary of its own."""
        execute(self.url(), "SELECT pg_promote(wait => true, wait_seconds => 20)")
