"""Keeps the ratio to the ceiling, change by change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.report import processor_time
from bench.results import Results

_HEAD = (
    "# The ratio to the ceiling, change by change\n\n"
    "| date | commit | ours/s | ceiling/s | ratio | CPU ours | CPU ceiling | others | change |\n"
    "| --- | --- | ---: | ---: | ---: | --- | --- | ---: | --- |\n"
)


def add_to_history(file: Path, results: Results, note: str) -> None:
    """Append a line; create the page if there is none."""
    before = file.read_text(encoding="utf-8") if file.exists() else _HEAD
    line = "| " + " | ".join([*_cells(results), note.replace("|", "/")]) + " |\n"
    file.write_text(before + line, encoding="utf-8")


def _cells(results: Results) -> Iterator[str]:
    ours, ceiling = results.standing("ours"), results.standing("ceiling")
    ratio = results.ratio("ours", "ceiling")
    yield f"{results.measured_at:%Y-%m-%d}"
    yield results.versions["commit"]
    yield f"{ours.rate or 0:,.0f}"
    yield f"{ceiling.rate or 0:,.0f}"
    yield f"{ratio:.2f}" if ratio else "none"
    yield processor_time(ours) if ours.rate else ""
    yield processor_time(ceiling) if ceiling.rate else ""
    yield f"{ours.median(lambda m: m.others):.2f}" if ours.rate else ""
