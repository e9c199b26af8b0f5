"""The demo as a process, with its output and every process below it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from progress_worker.settings.complaints import PREFIX

LIMIT_SECONDS = 90.0


@dataclass
class Demo:
    """A running demo, its output, and every process that was ever seen below it."""

    process: subprocess.Popen[str]
    directory: Path
    lines: list[str] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, text: str) -> None:
        """Wait until its output holds the text."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while text not in self.output:
            self.look()
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def wait(self) -> int:
        """Wait until it ends; returns its exit status."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.process.poll() is None:
            self.look()
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return self.process.wait()

    def look(self) -> None:
        """Remember the processes below the demo, with their command lines."""
        found, processes = {self.process.pid}, running()
        while found:
            below = {pid: command for pid, parent, command in processes if parent in found}
            self.seen |= below
            found = set(below)

    def pid_of(self, command: str) -> int:
        """The process whose command line ends with `command`."""
        self.look()
        found = [pid for pid, line in self.seen.items() if line.endswith(command)]
        assert len(found) == 1, f"{command} is not one of {self.seen}"
        return found[0]

    def end(self) -> None:
        """End it. Processes that take long to stop are killed; its guard removes the rest."""
        self.look()
        self.process.kill()
        for pid, _, command in running():
            if self.seen.get(pid) == command and command.endswith((" worker", " api")):
                os.kill(pid, signal.SIGKILL)

    def left(self) -> list[str]:
        """The processes and files of it that still exist."""
        there = {pid for pid, _, _ in running()}
        processes = [command for pid, command in self.seen.items() if pid in there]
        return processes + [str(path) for path in self.directory.iterdir()]


def running() -> list[tuple[int, int, str]]:
    """Pid, parent and command line of all processes; not those that have ended."""
    listed = subprocess.run(
        ["ps", "-axww", "-o", "pid=,ppid=,stat=,args="],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    alive = [row for row in rows if len(row) == 4 and not row[2].startswith("Z")]
    return [(int(pid), int(parent), command) for pid, parent, _, command in alive]


@contextmanager
def demo(*arguments: str, rules: str | None = None) -> Iterator[Demo]:
    """A demo in a session of its own, with environment variables that it must ignore.

    It must use the rule book in its working directory.
    """
    with TemporaryDirectory() as name, TemporaryDirectory() as home:
        directory = Path(name)
        directory.chmod(0o711)  # for the user that root's Postgres runs as
        environment = os.environ | {
            "TMPDIR": name,
            "COLUMNS": "40",  # of a terminal, which its output here does not go to
            f"{PREFIX}COMPLETED_TOPIC": "another-deployment",
            f"{PREFIX}KAFKA_SECURITY_PROTOCOL": "SSL",
        }
        if rules is not None:
            (Path(home) / "rules.yaml").write_text(rules)
            environment[f"{PREFIX}CATALOGUE_FILE"] = "rules.yaml"
        with subprocess.Popen(
            [sys.executable, "-m", "progress_worker", "demo", *arguments],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            started = Demo(process, directory)
            reader = Thread(target=lambda: started.lines.extend(process.stdout or ()))
            reader.start()
            try:
                yield started
            finally:
                started.end()
                reader.join(LIMIT_SECONDS)
