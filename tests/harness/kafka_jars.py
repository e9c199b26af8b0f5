"""What Apache Kafka needs: a Java that is new enough, and its jars."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.harness.maven import UnavailableError, fetched

_POM = Path(__file__).with_name("apache_kafka.pom.xml")
_JAVA_SECONDS = 20.0
_OLDEST_JAVA = 17


def java() -> str:
    """The path of a Java that can run Kafka; raises UnavailableError."""
    found = shutil.which("java")
    if found is None:
        raise UnavailableError(f"there is no java (Java {_OLDEST_JAVA} or newer runs Kafka)")
    output = subprocess.run(
        [found, "-version"], capture_output=True, text=True, timeout=_JAVA_SECONDS, check=False
    ).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise UnavailableError(f"{found} is older than Java {_OLDEST_JAVA}, which Kafka needs")
    return found


def jars() -> Path:
    """The directory with Kafka's jars; raises UnavailableError."""
    return fetched(_POM)
