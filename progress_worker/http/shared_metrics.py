"""Adds up the metrics of several processes of a view, in files that they share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

from progress_worker.errors import ConfigurationError

#: The library's only way to learn of the directory.
_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_PARENT: Final = "parent"


class SharedMetrics:
    """The files of the processes. Each place has its own, and one process at a time writes them.

    A process that takes the place of one that died continues its counters. So no counter falls, and
    files do not pile up.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._owner = _PARENT

    def take(self, place: int) -> None:
        """Write to the files of this place from now on. For a process that was just forked."""
        self._owner = str(place)

    def left(self, place: int) -> None:
        """Forget the gauges of a process that ended."""
        mark_process_dead(place, self.directory)  # type: ignore[no-untyped-call]

    def owner(self) -> str:
        """Whose files this process writes. The library asks at every change of a metric."""
        return self._owner


@contextmanager
def shared_metrics() -> Iterator[SharedMetrics]:
    """Keep metrics that are made from now on in files. They are removed at the end.

    Raises ConfigurationError if there is no place for the files.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="progress-view-")
    except OSError as error:
        raise ConfigurationError(
            "Several processes keep their metrics in temporary files, and there is no place for "
            f"them ({error.strerror}): set TMPDIR to a directory that can be written to."
        ) from error
    with made as directory:
        shared = SharedMetrics(directory)
        os.environ[_VARIABLE] = directory
        values.ValueClass = values.MultiProcessValue(shared.owner)  # type: ignore[no-untyped-call]
        yield shared
