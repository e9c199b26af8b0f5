"""Builds the wheel of this checkout, and runs programs with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BUILD_SECONDS = 300.0


def build_wheel(directory: Path, environment: Mapping[str, str]) -> Path:
    """Build it into the directory, which is empty."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    succeed([*build, directory, ROOT], ROOT, _BUILD_SECONDS, environment)
    (built,) = directory.glob("*.whl")
    return built


def succeed(
    command: Sequence[str | Path], directory: Path, seconds: float, environment: Mapping[str, str]
) -> str:
    """The output of the command, which must succeed."""
    done = run(command, directory, seconds, environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run(
    command: Sequence[str | Path], directory: Path, seconds: float, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the command; it may fail."""
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
