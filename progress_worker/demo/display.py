"""Shows a demo while it runs: redrawn in place on a terminal, otherwise a line a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

_LINE_SECONDS: Final = 1.0
_SHOWN_UNLOCKS: Final = 5
_RATE_SECONDS: Final = 1.0
_JOINING: Final = "the worker is joining its consumer group"


@dataclass(slots=True)
class DemoProgress:
    """How far a demo has come: records published, applied and committed, unlocks read."""

    count: int
    published: int = 0
    applied: int = 0
    unlocks: int = 0
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=_SHOWN_UNLOCKS))
    rate: float = 0.0
    _history: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def lag(self) -> int:
        """Records that were published and are not applied yet."""
        return max(0, self.published - self.applied)

    def reached(self, applied: int) -> None:
        """Note how many records are applied now. The rate is that of the last second."""
        now = time.monotonic()
        self.applied = applied
        self._history.append((now, applied))
        while now - self._history[0][0] > _RATE_SECONDS and len(self._history) > 2:
            self._history.popleft()
        then, before = self._history[0]
        self.rate = (applied - before) / (now - then) if now > then else 0.0


class Display:
    """Shows a demo on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._next_line = 0.0
        self._last_line = ""
        self._joining = Spinner("dots", f" {_JOINING}")

    def note(self, sentence: str) -> None:
        """Print that something happened."""
        self._print(f"! {sentence}")

    def step(self, sentence: str) -> None:
        """Print that something is done."""
        self._print(f"✓ {sentence}")

    @contextmanager
    def following(self, progress: DemoProgress) -> Iterator[None]:
        """Show the progress at every update, and at the end."""
        if self._console.is_terminal:
            with Live(console=self._console, auto_refresh=False, transient=True) as self._live:
                yield
        else:
            yield
        self._print(_line(progress))
        for unlock in progress.recent:
            self._print(f"    {unlock}")

    def update(self, progress: DemoProgress) -> None:
        """Show the present progress."""
        if self._live is not None:
            self._live.update(self._drawn(progress), refresh=True)
        elif time.monotonic() >= self._next_line and self._is_news(progress):
            self._next_line = time.monotonic() + _LINE_SECONDS
            self._print(_line(progress))

    def _is_news(self, progress: DemoProgress) -> bool:
        """Whether a line would differ from the last. Before the worker begins, none does."""
        line = _line(progress) if progress.applied else _JOINING
        is_news, self._last_line = line != self._last_line, line
        return is_news

    def _drawn(self, progress: DemoProgress) -> RenderableType:
        bars = Table.grid(padding=(0, 2))
        for name, value in (("published", progress.published), ("applied", progress.applied)):
            bar = ProgressBar(total=progress.count, completed=value, width=40)
            bars.add_row(f"  {name}", bar, f"{value:,}")
        numbers = Text(f"  {_pace(progress)}, lag {progress.lag:,}")
        unlocks = Text(f"  {progress.unlocks:,} achievements unlocked", style="bold")
        return Group(
            bars,
            numbers if progress.applied else self._joining,
            unlocks,
            *(Text(f"    {line}") for line in progress.recent),
        )

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _line(progress: DemoProgress) -> str:
    return (
        f"  published {progress.published:,} of {progress.count:,}, "
        f"applied {progress.applied:,} ({_pace(progress)}), lag {progress.lag:,}, "
        f"achievements unlocked {progress.unlocks:,}"
    )


def _pace(progress: DemoProgress) -> str:
    if not progress.applied:
        return _JOINING
    return f"{progress.rate:,.0f} events/s"
