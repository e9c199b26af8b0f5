"""On a machine that lacks something, make says so in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30.0

OLD = """#!/bin/sh
case "$1" in
-V) echo Python 3.9.6 ;;
*) exit 1 ;;
esac
"""
#: New enough, but without the modules that make environments, as Debian's without python3-venv.
WITHOUT_VENV = """#!/bin/sh
case "$2" in
*ensurepip*) exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("interpreter", "sentence"),
    [
        (None, "Python 3.11 to 3.14 is needed, and there is no {}: install it"),
        (OLD, "Python 3.11 to 3.14 is needed, and {} is Python 3.9.6: name another"),
        (WITHOUT_VENV, "{} cannot make a virtual environment: install its venv package"),
    ],
)
def test_unfit_python_is_named(tmp_path: Path, interpreter: str | None, sentence: str) -> None:
    python = tmp_path / "python"
    if interpreter is not None:
        python.write_text(interpreter)
        python.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()

    done = _make(tmp_path, "test", f"PYTHON={python}")

    assert done.returncode != 0
    assert done.stdout == ""
    complaint, _makes_own = done.stderr.splitlines()
    assert complaint.startswith(sentence.format(python))
    assert not (tmp_path / ".venv").exists()


def test_without_a_target_it_says_what_there_is(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = _make(tmp_path)
    assert done.returncode == 0
    named = {line.split()[1] for line in done.stdout.splitlines()}
    assert {"demo", "test", "check", "bench", "lock", "clean"} <= named


def _make(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make")
    if program is None:
        pytest.skip("make is not installed")
    return subprocess.run(
        [program, *arguments],
        cwd=directory,
        # Variables of an outer make would change the output of this one.
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
