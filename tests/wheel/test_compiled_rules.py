"""The wheel with compiled rules, as in the image, passes the tests of the rules."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.harness.wheel import ROOT, build_wheel, succeed

TEST_SECONDS = 300.0
COMPILED = (
    "domain.buckets",
    "domain.counters",
    "domain.days",
    "domain.derive",
    "domain.filter_index",
    "domain.filters",
    "domain.occurrences",
    "domain.revocation",
    "domain.threshold_index",
    "domain.reducer",
    "domain.revisions",
    "domain.rulebook",
    "domain.rules",
    "domain.skills",
    "domain.state",
    "domain.streaks",
    "domain.totals",
    "domain.travel",
    "domain.weeks",
    "domain.clocks",
    "ingest.folding",
    "storage.write.cache",
)
TESTS = (
    "tests/unit/test_reducer.py",
    "tests/unit/test_completion_filters.py",
    "tests/unit/test_requirements.py",
    "tests/unit/test_status.py",
    "tests/unit/test_days.py",
    "tests/unit/test_streaks.py",
    "tests/unit/test_streak_reading.py",
    "tests/unit/test_skills.py",
    "tests/property/test_laws.py",
    "tests/property/test_days.py",
    "tests/property/test_streaks.py",
    "tests/property/test_streak_proof.py",
    "tests/property/test_unlock_laws.py",
    "tests/integration/test_storage.py",
    "tests/integration/test_real_input.py",
)

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, but with the package of the wheel."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("this Python came without its C headers")
    directory = tmp_path_factory.mktemp("compiled")
    wheel = build_wheel(directory, os.environ | {"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "1"})
    with ZipFile(wheel) as archive:
        archive.extractall(directory)
    for part in ROOT.iterdir():
        if part.name not in {"progress_worker", "build", "dist"} and part.name[0] != ".":
            (directory / part.name).symlink_to(part)
    return directory


def test_what_is_asked_event_by_event_is_compiled(tree: Path) -> None:
    names = [f"progress_worker.{module}" for module in COMPILED]
    program = f"import importlib as i\nfor n in {names}: print(i.import_module(n).__file__)"
    found = succeed([sys.executable, "-c", program], tree, TEST_SECONDS, os.environ)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    expected = [str(tree / (name.replace(".", "/") + suffix)) for name in names]
    assert found.splitlines() == expected


def test_the_compiled_rules_are_the_same(tree: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *TESTS]
    succeed(command, tree, TEST_SECONDS, os.environ)
