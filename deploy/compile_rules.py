"""Compiles the rules with mypyc while the wheel is built.

The modules do the same as their source, which stays beside them for tracebacks; Python prefers the
compiled ones. Only what runs for every event is compiled. Raises what mypyc or the C compiler
raises.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.command.build_ext import build_ext

_HOT: Final = (
    "domain/buckets",
    "domain/clocks",
    "domain/days",
    "domain/counters",
    "domain/filter_index",
    "domain/filters",
    "domain/threshold_index",
    "domain/derive",
    "domain/occurrences",
    "domain/reducer",
    "domain/revisions",
    "domain/revocation",
    "domain/rulebook",
    "domain/rules",
    "domain/skills",
    "domain/state",
    "domain/streaks",
    "domain/totals",
    "domain/travel",
    "domain/weeks",
    "ingest/folding",
    "storage/write/cache",
)
# The build environment lacks the packages that we depend on, and `make check` checks the types.
_MYPY: Final = ("--config-file=", "--ignore-missing-imports", "--python-version=3.11")


class CompileRules(BuildHookInterface[Any]):
    """Adds the extension modules to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile outside the checkout."""
        self._scratch = TemporaryDirectory()
        scratch = Path(self._scratch.name)
        modules = [f"progress_worker/{name}.py" for name in _HOT]
        extensions = mypycify(
            [*_MYPY, *modules],
            opt_level="3",
            debug_level="0",  # would name the scratch directory, which differs each time
            target_dir=str(scratch / "c"),
            group_name="progress_worker_rules",
        )
        command = build_ext(Distribution({"name": "rules", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(scratch / "lib"), str(scratch / "o")
        command.ensure_finalized()
        command.run()
        for compiled in map(Path, command.get_outputs()):
            build_data["force_include"][str(compiled)] = str(compiled.relative_to(scratch / "lib"))
        build_data["pure_python"], build_data["infer_tag"] = False, True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the compiled files, which the wheel holds now."""
        self._scratch.cleanup()
