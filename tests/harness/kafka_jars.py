"""Apache Kafka's jars: fetched once by Maven into a cache outside the tree."""

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

_POM = Path(__file__).with_name("apache_kafka.pom.xml")
_FETCH_SECONDS = 300.0
_JAVA_SECONDS = 20.0
_OLDEST_JAVA = 17


class UnavailableError(Exception):
    """Apache Kafka cannot run on this machine; the message says what is missing."""


def java() -> str:
    """The path of a Java that can run Kafka; raises UnavailableError."""
    found = shutil.which("java")
    if found is None:
        raise UnavailableError(f"there is no java (Java {_OLDEST_JAVA} or newer runs Kafka)")
    told = subprocess.run(
        [found, "-version"], capture_output=True, text=True, timeout=_JAVA_SECONDS, check=False
    ).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise UnavailableError(f"{found} is older than Java {_OLDEST_JAVA}, which Kafka needs")
    return found


def jars() -> Path:
    """The directory with Kafka's jars, filled by Maven the first time; raises UnavailableError."""
    directory = _cache() / f"kafka-{_version()}"
    if directory.is_dir():
        return directory
    maven = shutil.which("mvn")
    if maven is None:
        raise UnavailableError("there is no mvn to fetch Apache Kafka with, and no cached copy")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _alone(directory.with_name("lock")), TemporaryDirectory(dir=directory.parent) as new:
        if not directory.is_dir():  # another process may have been faster
            _fetch(maven, Path(new) / "jars")
            (Path(new) / "jars").rename(directory)
    return directory


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time: Maven's own store is not made for two.

    Nobody waits for longer than Maven may take, or than its process lives.
    """
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(maven: str, directory: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    try:
        subprocess.run(
            [maven, "-q", "-B", "-f", _POM, *goal, f"-DoutputDirectory={directory}"],
            capture_output=True,
            timeout=_FETCH_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"mvn cannot fetch Apache Kafka: {type(error).__name__}") from error


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "progress-worker"


def _version() -> str:
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.+?)</version>", _text())
    assert found, f"{_POM} names no version of Kafka"
    return found[1]


def _text() -> str:
    return _POM.read_text(encoding="utf-8")
