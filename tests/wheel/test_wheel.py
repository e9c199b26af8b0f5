"""The wheel holds all it needs: installed alone into an empty environment, it runs the demo."""

from __future__ import annotations

import os
import venv
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.harness.wheel import ROOT, build_wheel, run, succeed

PROBE_SECONDS = 60.0
INSTALL_SECONDS = 400.0
DEMO_SECONDS = 120.0

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    return build_wheel(tmp_path_factory.mktemp("dist"), _bare_environment())


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' directory of an environment with the wheel and its requirements."""
    directory = tmp_path_factory.mktemp("alone")
    venv.create(directory / "venv", with_pip=True, symlinks=True)
    programs = directory / "venv" / "bin"
    _skip_without_registry(programs, directory)
    constraints = directory / "constraints.txt"
    constraints.write_text(_locked_versions())
    install = ["install", "--quiet", f"{wheel}[embedded]", "--constraint", str(constraints)]
    _succeed([programs / "python", "-m", "pip", *install], directory, INSTALL_SECONDS)
    return programs


def test_wheel_holds_every_source_file(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {str(path.relative_to(ROOT)) for path in _files("progress_worker")}
    migrations = {
        str(Path("progress_worker") / path.relative_to(ROOT)) for path in _files("migrations")
    }
    assert held == package | migrations
    assert {
        "progress_worker/py.typed",
        "progress_worker/domain/rulebook.yaml",
        "progress_worker/migrations/env.py",
        "progress_worker/migrations/versions/0001_progress.py",
    } <= held


def test_installed_alone_it_is_complete(programs: Path, tmp_path: Path) -> None:
    _succeed([programs / "python", "-m", "pip", "check"], tmp_path, PROBE_SECONDS)
    imported = "import progress_worker; print(progress_worker.__file__)"
    origin = _succeed([programs / "python", "-c", imported], tmp_path, PROBE_SECONDS)
    assert origin.startswith(str(programs.parent))


def test_demo_runs_from_an_empty_directory(programs: Path, tmp_path: Path) -> None:
    _succeed([programs / "progress-worker", "demo"], tmp_path, DEMO_SECONDS)
    assert list(tmp_path.iterdir()) == []


def _files(folder: str) -> list[Path]:
    return [
        path
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    ]


def _locked_versions() -> str:
    # Without their hashes: pip would then ask for one of the wheel that was just built.
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return "\n".join(line.removesuffix("\\") for line in lines if "==" in line)


def _skip_without_registry(programs: Path, directory: Path) -> None:
    """Skip when not even a tiny package can be had; every later failure is a failure."""
    download = ["download", "--quiet", "--no-cache-dir", "--no-deps", "--dest", str(directory)]
    limits = ["--retries", "1", "--timeout", "15"]
    command: list[str | Path] = [programs / "python", "-m", "pip", *download, *limits, "six"]
    done = run(command, directory, PROBE_SECONDS, _bare_environment())
    if done.returncode != 0:
        pytest.skip(f"pip reaches no registry: {done.stderr.strip().splitlines()[-1]}")


def _succeed(command: list[str | Path], directory: Path, seconds: float) -> str:
    return succeed(command, directory, seconds, _bare_environment())


def _bare_environment() -> Mapping[str, str]:
    """This process's environment without what would let the checkout or its settings in."""
    ours = ("PYTHON", "VIRTUAL_ENV", "PROGRESS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
