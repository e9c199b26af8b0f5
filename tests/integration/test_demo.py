"""The demo as a process: true, complete, and gone when it ends, however it ends."""

from __future__ import annotations

import os
import re
import shlex
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

import httpx
import psycopg
import pytest

from progress_worker.settings import PREFIX

pytestmark = [pytest.mark.integration, pytest.mark.demo]

LIMIT_SECONDS = 90.0


@dataclass
class Demo:
    """A running demo, what it says, and every process below it that was ever seen."""

    process: subprocess.Popen[str]
    directory: Path
    lines: list[str] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, text: str) -> None:
        """Until it says so."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while text not in self.output:
            self.look()
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def wait(self) -> int:
        """Until it ends; its exit status."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.process.poll() is None:
            self.look()
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return self.process.wait()

    def look(self) -> None:
        """Remember the processes below the demo, with their command lines."""
        below = {self.process.pid}
        for pid, parent, command in running():
            if parent in below:
                below.add(pid)
                self.seen[pid] = command

    def pid_of(self, command: str) -> int:
        """The process whose command line ends so."""
        self.look()
        (pid,) = [pid for pid, line in self.seen.items() if line.endswith(command)]
        return pid

    def left(self) -> list[str]:
        """What is still there of it."""
        there = {pid for pid, _, _ in running()}
        processes = [command for pid, command in self.seen.items() if pid in there]
        return processes + [str(path) for path in self.directory.iterdir()]


def running() -> list[tuple[int, int, str]]:
    """Pid, parent and command line of all processes, parents first; not those that have ended."""
    listed = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,stat=,args="],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    alive = [row for row in rows if len(row) == 4 and not row[2].startswith("Z")]
    return sorted((int(pid), int(parent), command) for pid, parent, _, command in alive)


@contextmanager
def demo(*arguments: str) -> Iterator[Demo]:
    """A demo in a session of its own, with settings around that it must not follow."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)  # for the user that root's Postgres runs as
        environment = os.environ | {
            "TMPDIR": name,
            f"{PREFIX}COMPLETED_TOPIC": "another-deployment",
            f"{PREFIX}KAFKA_SECURITY_PROTOCOL": "SSL",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "progress_worker", "demo", *arguments],
            env=environment,
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
                process.kill()
                reader.join(LIMIT_SECONDS)


def assert_nothing_left(started: Demo) -> None:
    """Whatever the demo had started has ended by now, or does so within seconds."""
    deadline = time.monotonic() + 20
    while started.left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert started.left() == []


def test_it_is_true_and_leaves_nothing() -> None:
    with demo() as started:
        status = started.wait()
        left = started.left()
    assert status == 0, started.output
    assert "All true." in started.output
    assert re.search(r"completions +4,\d{3} +4,\d{3} *\n", started.output)
    assert re.search(r"events in all +5,000 +5,000 *\n", started.output)
    assert re.search(r"[\d,]+ achievements unlocked by 60 learners", started.output)
    assert "\x1b" not in started.output
    assert len(started.seen) >= 5  # guard, broker, Postgres, worker, view
    assert left == []


def test_kept_it_runs_on_and_every_example_works() -> None:
    with demo("--keep", "--count", "600", "--learners", "8") as started:
        started.wait_for("until Ctrl-C")
        examples = started.output.splitlines()
        _, generate = line(examples, "generate --rate")
        shell(f"{generate} --count 50")
        psql, _ = line(examples, "psql ")
        with psycopg.connect(psql[1], connect_timeout=10) as connection:
            assert connection.execute(psql[3].encode()).fetchall()
        metrics, _ = line(examples, "/metrics")
        assert "progress_events_total" in httpx.get(metrics[-1], timeout=10).text
        curl, _ = line(examples, "Bearer")
        name, _, value = curl[3].partition(": ")
        answer = httpx.get(curl[-1], headers={name: value}, timeout=10).json()
        assert answer["exercises_completed"] > 0
        secret = re.search(rf"{PREFIX}JWT_SECRET=(\S+)", started.output)
        assert secret
        started.look()
        assert [command for command in started.seen.values() if secret[1] in command] == []
        page, _ = line(examples, "/login?token=")
        with httpx.Client(follow_redirects=True, timeout=10) as browser:
            assert f"<bdi>{answer['user_id']}</bdi>" in browser.get(page[0]).text
        _, token = line(examples, " token ")
        minted = {name: f"Bearer {shell(token).strip()}"}
        assert httpx.get(curl[-1], headers=minted, timeout=10).json()["user_id"]
        logs, _ = line(examples, "*.log")
        assert (Path(logs[0]).parent / "worker.log").stat().st_size
        started.process.send_signal(signal.SIGINT)
        assert started.wait() == 0
        assert started.left() == []


def line(lines: list[str], text: str) -> tuple[list[str], str]:
    """The first line with the text, as the shell would cut it and as it is."""
    found = next(line for line in lines if text in line and not line.endswith(":"))
    return shlex.split(found), found


def shell(command: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("moment", ["", "are up", "created", "view started", "published 3,000"])
def test_interrupted_it_ends_all(moment: str) -> None:
    with demo("--count", "3000") as started:
        started.wait_for(moment)
        if not moment:
            time.sleep(0.4)
        started.process.send_signal(signal.SIGINT)
        assert started.wait() in {130, -signal.SIGINT}
        assert started.left() == []
        # Before the command runs, Python is still loading it and says so in its own way.
        assert not moment or "Traceback" not in started.output


def test_killed_it_leaves_nothing() -> None:
    with demo() as started:
        started.wait_for("published 5,000")
        started.process.kill()
        started.wait()
        assert_nothing_left(started)


@pytest.mark.parametrize(("command", "moment"), [("worker", "applied 1"), ("api", "published 1")])
def test_a_part_that_dies_ends_it_with_its_last_words(command: str, moment: str) -> None:
    with demo("--rate", "100") as started:
        started.wait_for(moment)
        os.kill(started.pid_of(f"progress_worker {command}"), signal.SIGKILL)
        assert started.wait() == 1
        assert started.left() == []
    assert f"The {command} ended with status -9. Its last lines:" in started.output
    assert "Traceback" not in started.output
