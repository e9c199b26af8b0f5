"""`rules try`: what it prints, and what it says about wrong lines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from progress_worker.events.commands import DAYS_EXCUSED
from tests.harness.events import CATALOGUE, Event, completed
from tests.harness.worker import COMMAND, environment, run_command

FIRST = completed("ada", completed_at="2026-03-02T10:00:00+01:00")
SECOND = completed("ada", completed_at="2026-03-04T10:00:00Z")


def structured(type_: str, data: Event) -> Event:
    return {"specversion": "1.0", "id": "1", "source": "/p", "type": type_, "data": data}


def excused(first_day: str, **changes: object) -> Event:
    data = {
        "excuse_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "user_id": "ada",
        "issued_at": "2026-03-05T18:00:00+01:00",
        "kind": "pause",
        "first_day": first_day,
        "last_day": first_day,
    }
    return structured(DAYS_EXCUSED, data | changes)


def tried(
    directory: Path, *lines: Event | str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Try the lines by the small rule book; a text stands as it is."""
    events, book = directory / "events.jsonl", directory / "book.yaml"
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    events.write_text("".join(f"{text}\n" for text in texts))
    book.write_text(CATALOGUE)
    return run_command({}, "rules", "try", str(events), "--rules", str(book), *options)


def test_every_learner_is_printed(tmp_path: Path) -> None:
    bob = completed("bob", grade=None)
    done = tried(tmp_path, SECOND, bob, FIRST, excused("2026-03-03"))
    assert (done.returncode, done.stderr) == (0, "")
    *lines, end = done.stdout.splitlines()
    assert lines == [
        "ada",
        "  2026-03-04T10:00:00Z  first: exercises_completed 1 of 1",
        "  2026-03-04T10:00:00Z  two_days: longest_streak_days 2 of 2",
        "  levels: beginner everywhere",
        "  streaks: 2 days (longest 2), 1 weeks (longest 1)",
        "bob",
        "  2026-03-02T09:00:00Z  first: exercises_completed 1 of 1",
        "  levels: beginner everywhere",
        "  streaks: 1 days (longest 1), 1 weeks (longest 1)",
    ]
    assert end.startswith("4 events (0 repeats) of 2 learners: 3 unlocks. 0 lines are wrong.")


def test_a_wrong_line_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    wrong: list[Event | str] = [
        "nonsense",
        "[1]",
        completed("ada", grade=101),
        structured("unknown.v1", {}),
        excused("2026-03-03", last_day="2026-03-01"),
        completed("ada", completed_at="1999-01-01T00:00:00Z"),
        json.dumps(completed("ada", exercise_id="x" * 70_000)),
        completed("ada", timezone="Mars/Olympus"),
    ]
    done = tried(tmp_path, FIRST, "", *wrong, SECOND, options=("--json",))
    assert (done.returncode, done.stderr) == (1, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["line"], each["reason"]) for each in found if each["kind"] == "wrong_line"] == [
        (3, "invalid_json"),
        (4, "schema_violation"),
        (5, "schema_violation"),
        (6, "unknown_type"),
        (7, "schema_violation"),
        (8, "time_out_of_range"),
        (9, "too_large"),
        (10, "unknown_timezone"),
    ]
    end = found[-1]
    assert (end["kind"], end["events"], end["wrong"], end["learners"]) == ("end", 2, 8, 1)
    plain = tried(tmp_path, FIRST, completed("ada", grade=101))
    assert plain.returncode == 1
    assert plain.stderr.startswith("Line 2 is wrong: schema_violation: grade: ")


def test_an_excuse_that_is_taken_back_excuses_nothing(tmp_path: Path) -> None:
    back = excused("2026-03-03", revision=1, revoked=True)
    done = tried(tmp_path, back, excused("2026-03-03"), FIRST, SECOND)
    assert "two_days" not in done.stdout
    assert "4 events (1 repeats) of 1 learners: 1 unlocks." in done.stdout


def test_a_learner_with_excuses_alone_has_no_streak(tmp_path: Path) -> None:
    done = tried(tmp_path, excused("2026-03-03"))
    assert done.returncode == 0
    assert "  streaks: 0 days (longest 0), 0 weeks (longest 0)\n" in done.stdout


def test_standard_input_and_the_configured_rule_book() -> None:
    done = subprocess.run(
        [*COMMAND, "rules", "try", "-"],
        env=environment({}),
        input=json.dumps(FIRST),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "  2026-03-02T09:00:00Z  first_step: exercises_completed 1 of 1\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere.jsonl"], 2, "No such file or directory"),
        (["-", "--rules", "nowhere.yaml"], 1, "there is no file"),
    ],
)
def test_a_missing_file_is_named(arguments: list[str], status: int, says: str) -> None:
    done = run_command({}, "rules", "try", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
