"""Keeps tests that share a server in one process when there are several, the longest first."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Directories whose tests share a server that is too expensive to start in each process.
_TOGETHER = {"tests/kafka", "tests/page"}
#: Directories of long modules that need no server.
_LONG = {"tests/property", "tests/wheel"}


class SharedServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """The tests of a module, or of such a directory, go to one process, one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        module, directory = _places(nodeid)
        return directory if directory in _TOGETHER else module


def turn(item: pytest.Item) -> int:
    """The longer the tests of a process's next piece of work take, the earlier is their turn.

    A piece that begins when the others are done keeps one process busy and leaves the other idle.
    """
    _, directory = _places(item.nodeid)
    if directory in _TOGETHER:
        return 0
    return 1 if directory in _LONG or item.get_closest_marker("integration") else 2


def _places(nodeid: str) -> tuple[str, str]:
    """The module of a test, and its directory."""
    module = PurePosixPath(nodeid.partition("::")[0])
    return str(module), str(module.parent)
