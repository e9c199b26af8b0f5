"""The demo as a process: correct, complete, and leaving nothing, however it ends."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from progress_worker.settings.complaints import PREFIX
from tests.harness.demo import Demo, demo

pytestmark = [pytest.mark.integration, pytest.mark.demo]

RULES = """
version: 1
levels:
  intermediate: {exercises: 1, mean_grade: 0}
achievements:
  - id: of_our_own
    name: Of Our Own
    description: You finished three exercises.
    category: milestones
    tier: bronze
    points: 10
    icon: footprints
    rule: {exercises_completed: {at_least: 3}}
"""


def assert_nothing_left(started: Demo) -> None:
    """Everything that the demo had started has ended, or ends within seconds."""
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
    assert started.output.count("joining its consumer group") == 1
    assert "\x1b" not in started.output
    assert "…" not in started.output
    assert len(started.seen) >= 5  # guard, broker, Postgres, worker, view
    assert left == []


def test_kept_it_runs_on_and_every_example_works() -> None:
    with demo("--keep", "--count", "600", "--learners", "8", rules=RULES) as started:
        started.wait_for("until Ctrl-C")
        assert (
            "give it session.timeout.ms=6000. kcat needs librdkafka 2.2 or newer" in started.output
        )
        examples = started.output.splitlines()
        _, generate = line(examples, "generate --rate")
        shell(f"{generate} --count 50")
        psql, _ = line(examples, "psql ")
        with psycopg.connect(psql[1], connect_timeout=10) as connection:
            unlocks = connection.execute(psql[3].encode()).fetchall()
        assert unlocks
        assert {achievement for _, achievement, *_ in unlocks} == {"of_our_own"}
        metrics, _ = line(examples, "/metrics")
        assert "progress_events_total" in httpx.get(metrics[-1], timeout=10).text
        curl, _ = line(examples, "Bearer")
        name, _, value = curl[3].partition(": ")
        answer = httpx.get(curl[-1], headers={name: value}, timeout=10).json()
        assert answer["exercises_completed"] > 0
        assert answer["achievements"]["available"] == 1
        levels = httpx.get(f"{curl[-1]}/skill-levels", headers={name: value}, timeout=10)
        # Without a graded exercise there is no mean, and everybody is a beginner.
        graded = [row for row in levels.json()["skill_levels"] if row["average_grade"] is not None]
        assert graded
        assert "beginner" not in {row["level"] for row in graded}
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
        kill, _ = line(examples, "kill -9")
        shell(shlex.join(kill))
        started.wait_for("The worker was ended by SIGKILL; it is started again as process")
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
        # Before the command runs, Python is still loading it and may print a traceback.
        assert not moment or "Traceback" not in started.output


def test_killed_it_leaves_nothing() -> None:
    with demo() as started:
        started.wait_for("published 5,000")
        started.process.kill()
        started.wait()
        assert_nothing_left(started)


def test_what_somebody_kills_is_started_again_and_all_is_true() -> None:
    with demo("--rate", "200", "--count", "1500") as started:
        started.wait_for("applied 1")
        os.kill(started.pid_of("progress_worker worker"), signal.SIGKILL)
        os.kill(started.pid_of("progress_worker api"), signal.SIGTERM)
        assert started.wait() == 0, started.output
    assert "The worker was ended by SIGKILL; it is started again" in started.output
    assert "The api was ended by SIGTERM; it is started again" in started.output
    assert "All true." in started.output


@pytest.mark.parametrize(("command", "moment"), [("worker", "applied 1"), ("api", "joining")])
def test_a_part_that_crashes_ends_it_with_its_last_words(command: str, moment: str) -> None:
    with demo("--rate", "100") as started:
        started.wait_for(moment)
        os.kill(started.pid_of(f"progress_worker {command}"), signal.SIGSEGV)
        assert started.wait() == 1
        assert started.left() == []
    assert f"The {command} ended with status -11. Its last lines:" in started.output
    assert "Traceback" not in started.output


@pytest.mark.parametrize("name", ["broker", "postgres"])
def test_a_server_that_is_killed_ends_it_with_one_sentence(name: str) -> None:
    with demo("--rate", "100") as started:
        started.wait_for("joining")
        if name == "broker":
            pid = started.pid_of("memory://tansu/")
        else:
            (written,) = started.directory.rglob("postmaster.pid")
            pid = int(written.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        assert started.wait() == 1
        assert started.left() == []
    assert started.output.splitlines()[-1] == (
        f"The embedded {name} has ended, and nothing works without it: start everything again."
    )
    assert "Traceback" not in started.output


@pytest.mark.parametrize(
    ("rules", "wrong"),
    [
        ("achievements: []", "CATALOGUE_FILE is wrong"),
        (RULES.replace("exercises_completed", "exercises_begun"), "CATALOGUE_FILE is wrong"),
        (RULES.replace("bronze", "\x00"), "CATALOGUE_FILE is wrong"),
    ],
)
def test_a_wrong_rule_book_stops_it_at_once_with_one_sentence(rules: str, wrong: str) -> None:
    with demo(rules=rules) as started:
        assert started.wait() == 1
        assert len(started.seen) == 0
    assert started.output.startswith(PREFIX + wrong)
