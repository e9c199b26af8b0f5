"""A worker as a process, and the deployment that it belongs to."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

from progress_worker.embedded.database import Database
from progress_worker.embedded.ports import LOOPBACK, free_port
from progress_worker.generator.wire import Wire
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.worker import Settings, load_settings
from tests.harness.events import Event, wires
from tests.harness.forking import Forked, Process, command, started
from tests.harness.kafka import Kafka
from tests.harness.waiting import LIMIT_SECONDS, wait_until

COMMAND = (sys.executable, "-c", "from progress_worker.cli import main; main()")
WORKER = (*COMMAND, "worker")
FAUST = (sys.executable, "-m", "faust", "-A", "progress_worker.app", "worker")


def run_command(variables: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `progress-worker ARGUMENTS` to its end with nothing but these PROGRESS_* variables."""
    with TemporaryDirectory() as name:
        out, err = Path(name) / "stdout", Path(name) / "stderr"
        process = Forked(command(*arguments), environment(variables), out, err)
        try:
            status = process.wait(LIMIT_SECONDS)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with just these PROGRESS_* variables."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return own | {PREFIX + name: value for name, value in variables.items()}


class WorkerProcess:
    """A worker that is ready inside `async with`, and gone after it.

    It is forked from a process that has imported everything, unless a command line is given.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        log: Path,
        command_line: Sequence[str] | None = None,
        *,
        await_ready: bool = True,
    ) -> None:
        self.log = log
        self._variables = dict(variables)
        self._command_line = command_line
        self._await_ready = await_ready
        self.address = (LOOPBACK, int(variables["WEB_PORT"]))
        self._url = f"http://{LOOPBACK}:{variables['WEB_PORT']}"

    async def __aenter__(self) -> Self:
        self.process = self._start()
        if self._await_ready:
            try:
                await wait_until(self.ready, "the worker is ready")
            except BaseException:
                await self.__aexit__()
                raise
        return self

    def _start(self) -> Process:
        return started("worker", self._command_line, environment(self._variables), self.log)

    async def __aexit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self.process.wait(LIMIT_SECONDS)

    async def ready(self) -> bool:
        """Whether the readiness probe says so; a worker that ended never will be."""
        assert self.process.poll() is None, self.said()
        answer = await self.get("/readyz")
        return answer is not None and answer.status_code == 200

    async def get(self, path: str) -> httpx.Response | None:
        """The answer of the worker's web server; None while it does not listen."""
        async with httpx.AsyncClient(timeout=5) as client:
            try:
                return await client.get(self._url + path)
            except httpx.TransportError:
                return None

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        answer = await self.get("/metrics")
        assert answer is not None, f"the worker does not answer: {self.said()[-2_000:]}"
        return sum(
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def said(self) -> str:
        """Everything that the worker logged."""
        return self.log.read_text(errors="replace")

    async def has_said(self, text: str) -> bool:
        """Whether the log holds the text."""
        return text in self.said()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    async def terminate(self) -> int:
        """Ask it to stop and return its exit status."""
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        return await asyncio.to_thread(self.process.wait, LIMIT_SECONDS)


@dataclass
class Deployment:
    """One consumer group with its topics and its database, for any number of workers."""

    kafka: Kafka
    database: Database
    prefix: str
    directory: Path
    catalogue: Path
    variables: dict[str, str] = field(default_factory=dict)
    #: The worker that a fixture started, if it started one.
    running: WorkerProcess = field(init=False, repr=False)
    _started: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.completed = f"{self.prefix}completed"
        self.unlocked = f"{self.prefix}unlocked"
        self.levels = f"{self.prefix}levels"
        self.streaks = f"{self.prefix}streaks"
        self.changes = f"{self.prefix}changes"
        self.erased = f"{self.prefix}erased"
        self.dead_letters = f"{self.prefix}completed.dlq"
        self.commands = f"{self.prefix}commands"
        self.command_dead_letters = f"{self.prefix}commands.dlq"
        self.group = f"{self.prefix}group"

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics of the contract."""
        return (
            self.completed,
            self.unlocked,
            self.levels,
            self.streaks,
            self.changes,
            self.erased,
            self.dead_letters,
            self.commands,
            self.command_dead_letters,
        )

    def environment(self, **changes: str) -> dict[str, str]:
        """The variables of a worker, without their prefix; each call has another web port.

        The embedded broker lets a group wait for half the session timeout, and answers a fetch only
        when its time is over. So both are short.
        """
        return (
            {
                "KAFKA_BOOTSTRAP": self.kafka.bootstrap,
                "KAFKA_IDEMPOTENT_PRODUCER": "false",
                "KAFKA_SESSION_TIMEOUT_SECONDS": "2",
                "KAFKA_REBALANCE_TIMEOUT_SECONDS": "10",
                "KAFKA_FETCH_MAX_WAIT_SECONDS": "0.05",
                "CONSUMER_GROUP": self.group,
                "COMPLETED_TOPIC": self.completed,
                "UNLOCKED_TOPIC": self.unlocked,
                "LEVEL_TOPIC": self.levels,
                "STREAKS_TOPIC": self.streaks,
                "CHANGES_TOPIC": self.changes,
                "ERASED_TOPIC": self.erased,
                "DEAD_LETTER_TOPIC": self.dead_letters,
                "COMMANDS_TOPIC": self.commands,
                "COMMANDS_DEAD_LETTER_TOPIC": self.command_dead_letters,
                "TOPIC_PARTITIONS": "4",
                "TOPIC_REPLICATION": "1",
                "DATABASE_URL": self.database.worker_url,
                "DATABASE_STATEMENT_TIMEOUT_SECONDS": "8",
                "DRAIN_TIMEOUT_SECONDS": "5",
                "RETRY_MAX_WAIT_SECONDS": "0.5",
                "CATALOGUE_FILE": str(self.catalogue),
                "WEB_HOST": LOOPBACK,
                "WEB_PORT": str(free_port()),
            }
            | self.variables
            | changes
        )

    def settings(self, **changes: str) -> Settings:
        """The settings for a part of the worker that runs in this process."""
        variables = self.environment(**changes)
        return load_settings(**{name.lower(): value for name, value in variables.items()})

    def worker(
        self,
        command_line: Sequence[str] | None = None,
        *,
        await_ready: bool = True,
        **changes: str,
    ) -> WorkerProcess:
        """A worker of this group; `changes` are to its variables."""
        self._started += 1
        log = self.directory / f"worker-{self._started}.log"
        return WorkerProcess(
            self.environment(**changes), log, command_line, await_ready=await_ready
        )

    async def publish(self, *events: Event | Wire, partition: int | None = None) -> int:
        """Send events, or records as they are, to the workers; returns how many."""
        return await self.kafka.publish(self.completed, wires(events), partition)
