"""The tests that pages name as proof exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_PAGES = sorted(Path("docs").rglob("*.md"))
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("page", _PAGES, ids=str)
def test_named_tests_exist(page: Path) -> None:
    named = _NAMED.findall(page.read_text(encoding="utf-8"))
    missing = [(file, name) for file, name in named if not _is_there(Path(file), name)]
    assert missing == []


def test_the_page_for_officers_names_tests() -> None:
    assert len(_NAMED.findall(Path("docs/data-protection.md").read_text(encoding="utf-8"))) > 10


def _is_there(file: Path, name: str) -> bool:
    return file.exists() and (not name or f"def {name}(" in file.read_text(encoding="utf-8"))
