"""The commands of docs/operations.md, section by section."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

#: Settings of tokens for a view that is not asked for a learner.
TOKENS = {"JWT_ISSUER": "https://issuer.test", "JWT_AUDIENCE": "progress", "JWT_SECRET": 8 * "four"}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"

_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class RunbookCommand(NamedTuple):
    """A command line of the page, as many lines of text as it takes, and its section."""

    section: str
    text: str


def sections() -> dict[str, str]:
    """The text of every section, by its heading."""
    _, *parts = _HEADING.split(_without_code_headings(PAGE.read_text(encoding="utf-8")))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def commands() -> Iterator[RunbookCommand]:
    """Every command of every block, in the order of the page."""
    for section, text in sections().items():
        for block in _BLOCK.findall(text):
            for lines in re.findall(r"(?:.*\\\n)*.*\n", block):
                yield RunbookCommand(section, lines.strip())


def command(section: str, part: str, examples: Mapping[str, str] | None = None) -> str:
    """The one command of a section that holds `part`; `examples` replaces names in it."""
    (text,) = (c.text for c in commands() if c.section == section and part in c.text)
    for example, name in (examples or {}).items():
        assert example in text, f"{example} is not in {text}"
        text = text.replace(example, name)
    return text


def _without_code_headings(page: str) -> str:
    """The page without shell comments, which look like headings."""
    assert not re.search(r"^```console\n(?:(?!```).*\n)*# ", page, re.MULTILINE)
    return page
