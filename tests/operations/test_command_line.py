"""The command line does what people expect of one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from progress_worker import __version__
from tests.harness.worker import COMMAND, environment, run_command


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_the_version(arguments: list[str]) -> None:
    done = run_command({}, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("command", [[], ["dlq", "list"]])
def test_help_is_short_too(command: list[str]) -> None:
    short, long = run_command({}, *command, "-h"), run_command({}, *command, "--help")
    assert short.returncode == long.returncode == 0
    assert short.stdout == long.stdout
    assert short.stdout.startswith("Usage: ")


def test_the_shell_is_given_completions() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'progress-worker'; {COMMAND[-1]}"],
        env=environment({})
        | {
            "_PROGRESS_WORKER_COMPLETE": "complete_bash",
            "COMP_WORDS": "progress-worker top",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["topics"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--verson"], "No such option: --verson"),
        (["wrker"], "No such command 'wrker'"),
        (["dlq", "show", "nowhere"], "it must be PARTITION:OFFSET, not 'nowhere'"),
        (["dlq", "list", "--reason", "bad"], "Invalid value for '--reason'"),
        (["generate", "--count", "0"], "Invalid value for '--count'"),
        (["config", "check", "--for", "demo"], "Invalid value for '--for'"),
    ],
)
def test_a_wrong_line_ends_with_status_2(arguments: list[str], says: str) -> None:
    done = run_command({}, *arguments)
    assert done.returncode == 2
    *_, error = done.stderr.splitlines()
    assert error.startswith("Error: ")
    assert says in error  # in one line, however long: a box would wrap it


@pytest.mark.parametrize("command", [["list"], ["redrive"], ["show", "0:0"]])
def test_a_topic_without_dead_letters_is_refused(command: list[str]) -> None:
    done = run_command({"KAFKA_BOOTSTRAP": "k:1"}, "dlq", *command, "--topic", "mine")
    assert done.returncode == 2
    assert "it must be exercise-completed.dlq or progress-commands.dlq, not 'mine'" in done.stderr


def test_whoever_reads_only_the_first_line_sees_no_traceback() -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{COMMAND[0]}' -m progress_worker config check --json | head -n 1"],
        env=environment({"KAFKA_BOOTSTRAP": "k:1", "DATABASE_URL": "postgresql://w@d/p"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_output_that_cannot_be_written_is_a_sentence() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*COMMAND, "rules", "check"],
            env=environment({}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Nothing more can be written: No space left on device.\n"
