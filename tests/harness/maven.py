"""Fetches what tests need from Maven Central, once, into a cache outside the tree."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_FETCH_SECONDS = 300.0


class UnavailableError(Exception):
    """A server from Maven Central cannot run here; the message says what is missing."""


def fetched(pom: Path) -> Path:
    """The directory with a pom's dependencies, whose first one names it; raises UnavailableError.

    Maven fills it the first time.
    """
    named = re.search(
        r"<artifactId>([^<]+)</artifactId>\s*<version>([^<]+)</version>",
        pom.read_text(encoding="utf-8").partition("<dependencies>")[2],
    )
    assert named, f"{pom} names no dependency"
    directory = _cache() / f"{named[1]}-{named[2]}"
    if directory.is_dir():
        return directory
    maven = shutil.which("mvn")
    if maven is None:
        raise UnavailableError(f"there is no mvn to fetch {named[1]} with, and no cached copy")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _alone(directory.with_name("lock")), TemporaryDirectory(dir=directory.parent) as new:
        if not directory.is_dir():  # another process may have been faster
            _fetch(maven, pom, Path(new) / "jars")
            (Path(new) / "jars").rename(directory)
    return directory


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time, because Maven's own store does not support two.

    A wait ends when the holder's process ends, or after the time that Maven may take.
    """
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(maven: str, pom: Path, directory: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    try:
        subprocess.run(
            [maven, "-q", "-B", "-f", pom, *goal, f"-DoutputDirectory={directory}"],
            capture_output=True,
            timeout=_FETCH_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(
            f"mvn cannot fetch what {pom.name} names: {type(error).__name__}"
        ) from error


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "progress-worker"
