"""What is committed: complete lock files, and nothing about the author's machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "deploy/requirements.lock", "deploy/build.lock"]

HOME = re.compile(rb"(?<![\w.$}/-])/(?:work|home|root|Users)/[\w.-]+")
#: Hosts; `[.]` keeps this line from being found itself.
REGISTRY = re.compile(rb"(?:pypi|pythonhosted|npmjs|crates|debian|maven)[.](?:org|io|com)")
ENTRY = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[\w.!+]+)(?: ; .+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def committed_files() -> list[Path]:
    """Every file that git knows and that is still there."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=30, check=False
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    names = done.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_path_of_a_machine_is_committed() -> None:
    assert list(_matches(HOME)) == []


def test_no_registry_address_is_committed() -> None:
    assert list(_matches(REGISTRY)) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_names_versions_and_hashes_only(lock: str) -> None:
    for requirement in _requirements(lock):
        entry, *hashes = requirement
        assert ENTRY.fullmatch(entry), entry
        assert hashes, f"{entry} has no hash"
        assert all(HASH.fullmatch(line) for line in hashes), entry


def test_every_dependency_is_locked_at_a_version_it_allows() -> None:
    project = _project()
    groups = {
        name: group for name, group in project["dependency-groups"].items() if name != "bench"
    }
    declared = chain(
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        (entry for group in groups.values() for entry in group if isinstance(entry, str)),
    )
    locked = _versions("requirements.lock")
    for requirement in map(Requirement, declared):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not locked: run `make lock`"
        for version in versions:
            assert requirement.specifier.contains(version), f"{requirement} but {version}"


def test_image_holds_what_the_project_declares_and_no_more() -> None:
    project = _project()["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["tracing"]]
    runtime = {canonicalize_name(Requirement(text).name) for text in wanted}
    embedded = {canonicalize_name(Requirement(text).name) for text in extras["embedded"]}
    in_image = _versions("deploy/requirements.lock")
    assert runtime <= set(in_image)
    assert not (embedded | {"pytest", "mypy", "hatchling"}) & set(in_image)


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_locks_agree(lock: str) -> None:
    everything = _versions("requirements.lock")
    for name, versions in _versions(lock).items():
        assert everything[name] == versions


def _matches(pattern: re.Pattern[bytes]) -> Iterator[str]:
    for path in committed_files():
        for match in pattern.finditer(path.read_bytes()):
            yield f"{path.relative_to(ROOT)}: {match.group().decode()}"


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _requirements(lock: str) -> list[list[str]]:
    """Each requirement's lines: the entry and its hashes."""
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]
    blocks = re.split(r"(?<!\\)\n", "\n".join(lines))
    return [[part.strip() for part in block.split("\\\n")] for block in blocks if block]


def _versions(lock: str) -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for entry, *_ in _requirements(lock):
        matched = ENTRY.fullmatch(entry)
        assert matched is not None, entry
        versions.setdefault(canonicalize_name(matched["name"]), set()).add(matched["version"])
    return versions
