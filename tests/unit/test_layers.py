"""Each package imports only what its docstring allows, and no two import each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import progress_worker

ROOT = Path(progress_worker.__file__).parent
PACKAGES = sorted(found.parent for found in ROOT.rglob("__init__.py") if found.parent != ROOT)
#: The worker's application puts everything together.
TOP = {"__init__.py", "__main__.py", "app.py", "errors.py"}


def name(package: Path) -> str:
    return package.relative_to(ROOT).as_posix()


def allowed(package: Path) -> set[str]:
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""
    found = re.search(r"^May import: (.*?)\.$", docstring, re.MULTILINE | re.DOTALL)
    assert found, f"{name(package)} does not say what it may import"
    return set() if found[1] == "nothing" else set(re.split(r",\s", found[1]))


def imported(package: Path) -> Iterator[tuple[str, str]]:
    """Each module of the package, and the top-level part of ours that it imports."""
    for module in package.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
                if node.module == "progress_worker":
                    names = [f"progress_worker.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for each in names:
                top, _, part = each.partition(".")
                if top == "progress_worker":
                    yield module.relative_to(ROOT).as_posix(), part.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_a_package_imports_what_its_docstring_allows(package: Path) -> None:
    own = {package.relative_to(ROOT).parts[0], "", "__version__", "USER_AGENT"}
    found = {(module, part) for module, part in imported(package) if part not in own}
    assert {pair for pair in found if pair[1] not in allowed(package)} == set()


def test_no_two_packages_import_each_other() -> None:
    graph = {
        name(package): {part for _, part in imported(package)} - {name(package)}
        for package in PACKAGES
        if package.parent == ROOT
    }
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_nothing_else_lies_at_the_top() -> None:
    assert {found.name for found in ROOT.glob("*.py")} == TOP
