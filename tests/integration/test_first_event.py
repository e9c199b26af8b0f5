"""docs/first-event.md: every command and every program of the page, run unchanged."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from progress_worker.events.examples import EXAMPLE_LEARNER, EXAMPLES
from progress_worker.generator.wire import Wire
from progress_worker.ingest.decode import Decoder
from tests.harness.apache_kafka import Cluster
from tests.harness.demo import demo
from tests.harness.kafka import Kafka
from tests.harness.terminal import Terminal
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.demo]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-event.md"
SECTIONS = dict(re.findall(r"^## (.+?)$\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.M | re.S))
FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: The lines for a shell with the compose stack; here a script replaces its containers.
(WITH_DOCKER,) = re.findall(r"^```bash\n(.*?)^```$", SECTIONS["Start with Docker"], re.M | re.S)
CONTAINERS = """#!/bin/sh
test "$1 $2" = "exec -T" || exit 64
program=$(basename "$4"); shift 4; exec "$program" "$@"
"""

#: The programs that a section needs beside Python.
PROGRAMS = {
    "Publish with Kafka's console producer": (),
    "Publish with Python": (),
    "Publish with Java": ("javac", "mvn"),
    "Publish with JavaScript": ("node", "npm"),
}


@pytest.fixture(scope="module")
def export() -> Iterator[str]:
    """The line that a running demo prints for its reader to paste."""
    with demo("--keep", "--count", "20", "--learners", "2") as started:
        started.wait_for("until Ctrl-C")
        (line,) = re.findall(r"^export KAFKA=.*$", started.output, re.MULTILINE)
        yield line


def test_every_section_that_publishes_is_tried() -> None:
    publishing = {section for section in SECTIONS if section.startswith("Publish")}
    assert publishing == PROGRAMS.keys() | {"Publish with kcat"}


@pytest.mark.parametrize("section", PROGRAMS)
async def test_an_exercise_is_published_and_its_unlock_received(
    section: str, export: str, tmp_path: Path
) -> None:
    for program in PROGRAMS[section]:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    docker = "console producer" in section
    terminal = Terminal(tmp_path, {}, kafka=docker)
    if docker:
        terminal.install("docker-compose", CONTAINERS)
        export = f"{WITH_DOCKER}{export}"
    before = exercises(terminal, export)

    said = follow(terminal, section, export)

    async def counted() -> bool:
        return exercises(terminal, export) == before + 1

    await wait_until(counted, "the view shows the exercise")
    assert "first_step" in said


async def test_kcat_publishes_and_receives(apache_kafka: Cluster, tmp_path: Path) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    terminal = Terminal(tmp_path, {}, KAFKA=apache_kafka.bootstrap)
    terminal.variables = {"KAFKA_BOOTSTRAP": apache_kafka.bootstrap, "TOPIC_REPLICATION": "1"}
    terminal.run("progress-worker topics create")
    unlock = EXAMPLES["achievementUnlocked"]
    headers = tuple((name, text.encode()) for name, text in unlock["headers"].items())
    kafka = Kafka(apache_kafka.bootstrap)
    value = json.dumps(unlock["payload"]).encode()
    await kafka.publish("achievement-unlocked", [Wire(EXAMPLE_LEARNER.encode(), value, headers)])

    said = follow(terminal, "Publish with kcat", "true")

    assert said.startswith(f"{EXAMPLE_LEARNER} ")
    assert "first_step" in said
    (record,) = await kafka.read("exercise-completed", 1)
    decoder = Decoder(max_value_bytes=65_536, max_future_seconds=300)
    now = dt.datetime.now(dt.UTC)
    completion = decoder.decode(record.key, record.value, record.headers, now).completion
    assert (completion.user_id, completion.exercise_id) == (EXAMPLE_LEARNER, "three-sum")


def follow(terminal: Terminal, section: str, export: str) -> str:
    """Do what the section says; returns what its last commands print."""
    for name, content in FILE.findall(SECTIONS[section]):
        (terminal.directory / name).write_text(content, encoding="utf-8")
    said = ""
    for commands in COMMANDS.findall(SECTIONS[section]):
        done = terminal.attempt(f"{export}\n{commands}")
        if done.returncode != 0 and commands.startswith(("npm install", "python -m pip")):
            pytest.skip(f"the client cannot be fetched: {done.stderr}")
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        said = done.stdout
    return said


def exercises(terminal: Terminal, export: str) -> int:
    """How many exercises the learner has, by the page's own commands."""
    answer = json.loads(follow(terminal, "Read the progress", export))
    assert answer["user_id"] == EXAMPLE_LEARNER
    count: int = answer["exercises_completed"]
    return count
