"""What the groups of commands share: the console, the list of commands in a help, and `--json`."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

console: Final = Console()
if not console.is_terminal:
    console.width = 10_000  # so that nothing is cut off or wrapped in a pipe

Json = Annotated[
    bool, typer.Option("--json", help="Print JSON, for programs; an error is JSON too.")
]


class Commands(TyperGroup):
    """A group whose help has each command's whole sentence; Typer cuts it off at the line's end."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        rows = [
            (name, self.commands[name].get_short_help_str(limit=10_000))
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def print_json(content: dict[str, Any]) -> None:
    """Print it on lines that people can read too."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def told(counts: Counter[str]) -> str:
    """What was counted, most first, as the end of a sentence; empty for nothing."""
    if not counts:
        return ""
    return ": " + ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
