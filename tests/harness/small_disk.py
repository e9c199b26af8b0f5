"""A disk of a few megabytes that can be filled and freed."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.waiting import LIMIT_SECONDS

_PIECES = (1_048_576, 4_096)


class CannotMountError(Exception):
    """This process may not mount a file system."""


class SmallDisk:
    """A file system in memory, mounted on a directory that exists. Needs root."""

    def __init__(self, directory: Path, megabytes: int) -> None:
        self.directory = directory
        self._megabytes = megabytes
        self._balloon = directory / "balloon"

    def mount(self) -> None:
        """Mount it. Raises CannotMountError."""
        if os.geteuid() != 0 or not shutil.which("mount"):
            raise CannotMountError("only root mounts a small disk")
        owner = self.directory.stat()
        options = f"size={self._megabytes}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.directory))

    def unmount(self) -> None:
        """Unmount it, even if it is still in use."""
        _run("umount", "--lazy", str(self.directory))

    @contextmanager
    def full(self) -> Iterator[None]:
        """No space is left inside `with`."""
        try:
            with self._balloon.open("wb", buffering=0) as balloon:
                for size in _PIECES:
                    while _written(balloon.fileno(), size):
                        pass
            yield
        finally:
            self._balloon.unlink()


def _written(descriptor: int, size: int) -> bool:
    try:
        return os.write(descriptor, bytes(size)) == size
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise CannotMountError(done.stderr.strip())
