"""docs/write-your-own-rules.md: every file and command of the page, and what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from progress_worker.domain.rulebook import built_in_text
from tests.harness.events import records
from tests.harness.storage import projection
from tests.harness.terminal import Terminal
from tests.harness.worker import Deployment

pytestmark = pytest.mark.integration

PAGE = Path(__file__).resolve().parents[2] / "docs" / "write-your-own-rules.md"
#: A file with its content, or commands with what they print.
STEP = re.compile(
    r"^`(?P<file>[\w.]+)`:\n\n```\w+\n(?P<content>.*?)^```$"
    r"|^```console\n(?P<typed>.*?)^```\n\n```text\n(?P<printed>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


async def test_the_page(deployment: Deployment, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {})
    commands = 0
    for step in STEP.finditer(PAGE.read_text("utf-8")):
        if step["file"] is not None:
            (tmp_path / step["file"]).write_text(step["content"], encoding="utf-8")
            continue
        if "rules diff" in step["typed"]:
            await do_the_work(deployment, tmp_path)
            terminal.variables = deployment.environment()
        done = terminal.attempt(step["typed"])
        found = (done.stderr + done.stdout).replace(str(tmp_path), "/your/directory")
        found = re.sub(r"compared in \d+ s", "compared in 0 s", found)
        assert trimmed(found) == trimmed(step["printed"])
        commands += 1
    assert commands == 6


async def do_the_work(deployment: Deployment, directory: Path) -> None:
    """Apply the page's events by the built-in rule book, the wrong one with a valid grade."""
    deployment.catalogue = directory / "built_in.yaml"
    deployment.catalogue.write_text(built_in_text(), encoding="utf-8")
    lines = (directory / "events.jsonl").read_text("utf-8").replace('"good"', "80").splitlines()
    async with projection(deployment.settings()) as parts:
        await parts.apply(records(*map(json.loads, lines)))


def trimmed(text: str) -> list[str]:
    """The lines without the spaces at their ends, with which a table is filled up."""
    return [line.rstrip() for line in text.splitlines()]
