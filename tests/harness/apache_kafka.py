"""Apache Kafka in KRaft mode without Docker: one node or three, each of which can be killed."""

from __future__ import annotations

import base64
import secrets
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import pytest

from progress_worker.embedded.guard import Guard
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.embedded.server import Server
from progress_worker.errors import FatalError
from tests.harness.certificates import Certificate
from tests.harness.kafka_jars import jars, java
from tests.harness.maven import UnavailableError

_FORMAT_SECONDS = 60.0
_SMALL_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_STARTED = b"Kafka Server started"
_PROTOCOLS = "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_SSL,MUTUAL:SSL"
_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_LOG4J = """
rootLogger.level = INFO
rootLogger.appenderRefs = stdout
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d %p %c{1} %m%n
"""


@dataclass(frozen=True, slots=True)
class Security:
    """Two TLS listeners: one for these users by SCRAM, one for certificates of `authority`.

    With an administrator, all other users of these listeners may do only what is allowed.
    """

    certificate: Certificate
    authority: Path
    host: str
    users: Mapping[str, str]
    administrator: str | None = None

    @property
    def format_options(self) -> list[str]:
        """The options that create the users while the storage is formatted."""
        return [
            f"--add-scram={mechanism}=[name={user},password={password}]"
            for mechanism in _SCRAM
            for user, password in self.users.items()
        ]

    @property
    def _authorizer(self) -> dict[str, object]:
        if self.administrator is None:
            return {}
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{self.administrator}",
        }

    def settings(self, keystore: Path) -> dict[str, object]:
        """The settings of a node; its key and its certificate are in one PEM file."""
        keystore.write_bytes(
            self.certificate.key.read_bytes() + self.certificate.chain.read_bytes()
        )
        return (
            self._authorizer
            | {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": keystore,
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": self.authority,
                "listener.name.mutual.ssl.client.auth": "required",
                "listener.name.scram.sasl.enabled.mechanisms": ",".join(_SCRAM),
            }
            | {
                f"listener.name.scram.{mechanism.lower()}.sasl.jaas.config": _SCRAM_LOGIN
                for mechanism in _SCRAM
            }
        )


class Node(Server):
    """A broker and controller. It keeps its data when it restarts."""

    name: ClassVar[str] = "kafka"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    end_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, guard: Guard, cluster: Cluster, number: int, advertised: int | None) -> None:
        super().__init__(guard)
        self._cluster = cluster
        self._number = number
        self._port = free_port()
        self._advertised = advertised
        self.controller_port = free_port()
        self.scram_port = free_port()
        self.mutual_port = free_port()
        self._said_before = 0

    @property
    def number(self) -> int:
        """The node's id, 1 to 3."""
        return self._number

    @property
    def log(self) -> Path:
        """The file that keeps the node's output."""
        return self.guard.directory / f"kafka-{self._number}.log"

    @property
    def _directory(self) -> Path:
        return self.guard.directory / f"kafka-{self._number}"

    def _prepare(self) -> None:
        if self._directory.exists():
            return
        self._directory.mkdir()
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in self._settings().items()))
        (self._directory / "log4j2.properties").write_text(_LOG4J)
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster.identity}"]
        security = self._cluster.security
        users = security.format_options if security else []
        pid = self._launch([*self._jvm(), *tool, "-c", self._properties, *users])
        if self.guard.wait(pid, _FORMAT_SECONDS) != 0:
            raise FatalError(f"Kafka's storage cannot be formatted: {self._last_words()}")

    def _command(self, port: int) -> Sequence[str | Path]:
        self._said_before = self.log.stat().st_size
        return [*self._jvm(), "kafka.Kafka", self._properties]

    def _ready(self) -> bool:
        return _STARTED in self.log.read_bytes()[self._said_before :]

    @property
    def _properties(self) -> Path:
        return self._directory / "server.properties"

    def _jvm(self) -> list[str | Path]:
        log4j = f"-Dlog4j2.configurationFile={self._directory / 'log4j2.properties'}"
        return [self._cluster.java, *_SMALL_JVM, log4j, "-cp", f"{self._cluster.jars}/*"]

    def _settings(self) -> dict[str, object]:
        replicas = len(self._cluster.ports)
        client, controller = f"CLIENT://{LOOPBACK}:", f"CONTROLLER://{LOOPBACK}:"
        settings: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": self._number,
            "controller.quorum.voters": self._cluster.voters,
            "listeners": f"{client}{self.port},{controller}{self.controller_port}",
            "advertised.listeners": f"{client}{self._advertised or self.port}",
            "listener.security.protocol.map": _PROTOCOLS,
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self._directory / "data",
            "num.partitions": 4,
            "default.replication.factor": replicas,
            "min.insync.replicas": max(1, replicas - 1),
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": max(1, replicas - 1),
            "transaction.state.log.num.partitions": 2,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "auto.create.topics.enable": "false",
            "num.network.threads": 2,
            "num.io.threads": 2,
        }
        if security := self._cluster.security:
            settings |= security.settings(self._directory / "keystore.pem")
            for name, host in (("listeners", LOOPBACK), ("advertised.listeners", security.host)):
                settings[name] = (
                    f"{settings[name]},SCRAM://{host}:{self.scram_port}"
                    f",MUTUAL://{host}:{self.mutual_port}"
                )
        return settings


class Cluster:
    """One node or three on free ports of this machine, which end with this process.

    The constructor raises UnavailableError if Java or the jars are missing. `advertised` is the
    port that the only node tells its clients, a proxy's. `security` adds listeners that need
    credentials.
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        advertised: int | None = None,
        security: Security | None = None,
    ) -> None:
        self.java = java()
        self.jars = jars()
        self.security = security
        self.identity = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        self._guard = Guard()
        self.nodes = [Node(self._guard, self, 1 + n, advertised) for n in range(nodes)]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ports(self) -> list[int]:
        """The nodes' ports for clients."""
        return [node.port for node in self.nodes]

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers: the nodes themselves, not a proxy."""
        return ",".join(f"{LOOPBACK}:{port}" for port in self.ports)

    @property
    def voters(self) -> str:
        """The controllers, in the form that Kafka expects."""
        return ",".join(f"{node.number}@{LOOPBACK}:{node.controller_port}" for node in self.nodes)

    def start(self) -> None:
        """Start all nodes that are not running. They need a majority to become ready."""
        with ThreadPoolExecutor(max_workers=len(self.nodes)) as pool:
            starts = [pool.submit(node.start) for node in self.nodes]
        for start in starts:
            start.result()

    def close(self) -> None:
        """End the nodes and remove what they stored."""
        self._guard.close()


def cluster_or_skip(nodes: int = 1, security: Security | None = None) -> Iterator[Cluster]:
    """For fixtures: a cluster that runs, or a skip that says what is missing."""
    try:
        cluster = Cluster(nodes, security=security)
    except UnavailableError as error:
        pytest.skip(f"Apache Kafka does not run here: {error}")
    with cluster:
        yield cluster
