"""The command line does what people expect of one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from progress_worker import __version__
from progress_worker.cli import cli
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


def helps(name: str, command: Any, width: int) -> Iterator[tuple[str, str]]:
    """The help of a command and of all below it, on lines of that width."""
    context = command.context_class(command, info_name=name, terminal_width=width)
    yield name, command.get_help(context)
    for below, each in getattr(command, "commands", {}).items():
        yield from helps(f"{name} {below}", each, width)


@pytest.mark.parametrize("width", [50, 80, 10_000])
def test_no_help_is_cut_off(width: int) -> None:
    found = dict(helps("progress-worker", get_command(cli), width))
    assert {"progress-worker", "progress-worker config", "progress-worker dlq list"} <= found.keys()
    for text in found.values():
        usage, _, rest = text.partition("\n\n")
        assert usage.startswith("Usage: ")
        assert [line for line in rest.splitlines() if line.endswith("...")] == []
    assert "exit status 2 when something differs." in " ".join(found["progress-worker"].split())


def test_in_a_pipe_no_help_is_wrapped() -> None:
    assert (
        "  redrive  Send dead letters back to the topic and partition that they came from.\n"
        in program({"COLUMNS": "40"}, "dlq", "-h").stdout
    )


def program(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `progress-worker` with pipes around it and these variables, under its own name."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.argv[0] = 'progress-worker'; {COMMAND[-1]}",
            *arguments,
        ],
        env=environment({}) | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("shell", "variables", "answer"),
    [
        ("bash", {"COMP_WORDS": "progress-worker top", "COMP_CWORD": "1"}, "topics"),
        (
            "zsh",
            {"_TYPER_COMPLETE_ARGS": "progress-worker top"},
            """_arguments '*: :(("topics":"Create and check the Kafka topics."))'""",
        ),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "progress-worker top",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
            "topics\tCreate and check the Kafka topics.",
        ),
    ],
)
def test_the_shell_is_given_completions(shell: str, variables: dict[str, str], answer: str) -> None:
    done = program({"_PROGRESS_WORKER_COMPLETE": f"complete_{shell}"} | variables)
    assert done.stdout.strip() == answer, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["config", "check"],
        ["topics", "check"],
        ["dlq", "list"],
        ["rules", "check"],
        ["rules", "diff", "nowhere.yaml"],
        ["verify", "--all"],
    ],
)
def test_a_wrong_setting_is_json_too(command: list[str]) -> None:
    variables = {"CATALOGUE_FILE": "nowhere.yaml", "KAFKA_BOOTSTRAP": "k", "LANES": "x"}
    plain, found = run_command(variables, *command), run_command(variables, *command, "--json")
    assert (plain.returncode, plain.stdout) == (1, "")
    assert "is wrong: " in plain.stderr
    assert (found.returncode, found.stderr) == (1, "")
    assert json.loads(found.stdout) == {"well": False, "sentences": plain.stderr.splitlines()}


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
