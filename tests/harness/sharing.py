"""Keeps tests that share a server in one process when there are several."""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

#: Directories whose tests share a server that is too expensive to start in each process.
_TOGETHER = {"tests/kafka", "tests/page"}


class SharedServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """The tests of a module, or of such a directory, go to one process, one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        module = PurePosixPath(nodeid.partition("::")[0])
        directory = str(module.parent)
        return directory if directory in _TOGETHER else str(module)
