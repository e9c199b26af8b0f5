"""The results as tables: on the terminal and as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.table import Table

from bench.results import GOALS, Results, Standing
from bench.watch import Measurement

_CAPTION = (
    "CPU: microseconds per event of worker + Postgres + broker. "
    "Others: cores that something else kept busy."
)
HEADINGS = (
    "contestant",
    "events",
    "events/s",
    "±%",
    "of ceiling",
    "CPU µs",
    "MiB",
    "others",
)


def table(results: Results) -> Table:
    """The results as a table for the terminal."""
    shown = Table(caption=_CAPTION, caption_justify="left")
    shown.add_column(HEADINGS[0], no_wrap=True)
    for heading in HEADINGS[1:]:
        shown.add_column(heading, justify="right", no_wrap=True)
    for standing in results.standings:
        shown.add_row(standing.name, *_row(results, standing)[1:])
    return shown


def goals(results: Results) -> Iterator[str]:
    """A sentence for each ratio that was measured."""
    for name, other, wanted in GOALS:
        ratio = results.ratio(name, other)
        if ratio is not None:
            verdict = "reached" if ratio >= wanted else "not reached"
            yield f"{name} / {other} = {ratio:.2f} (goal {wanted:g}: {verdict})"


def failures(results: Results) -> Iterator[str]:
    """A sentence for each contestant without a rate."""
    for standing in results.standings:
        if standing.failure:
            yield f"{standing.title}: {standing.failure}"


def page(results: Results) -> str:
    """The results as a Markdown page."""
    machine, versions = results.machine, results.versions
    lines = [
        "# Results",
        "",
        f"{results.measured_at:%Y-%m-%d %H:%M} UTC, {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory']}, {machine['system']}. "
        f"Values of {results.mean_bytes:.0f} bytes, medians of {results.rounds}.",
        "",
        *markdown(HEADINGS, [_row(results, standing) for standing in results.standings]),
        "",
        _CAPTION,
        "",
        *(f"- {sentence}" for sentence in (*goals(results), *failures(results))),
        "",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
        "",
        "![Events a second](latest.svg)",
    ]
    return "\n".join(lines) + "\n"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; figures are aligned to the right."""
    yield "| " + " | ".join(headings) + " |"
    yield "| --- " + "| ---: " * (len(headings) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def processor_time(standing: Standing) -> str:
    """Microseconds per event of worker, Postgres and broker."""
    parts: tuple[Callable[[Measurement], float], ...] = (
        lambda m: m.processor.workers / m.events,
        lambda m: m.processor.postgres / m.events,
        lambda m: m.processor.broker / m.events,
    )
    return "+".join(f"{standing.median(part) * 1e6:,.0f}" for part in parts)


def _row(results: Results, standing: Standing) -> tuple[str, ...]:
    if standing.rate is None:
        return (standing.title, f"{standing.events:,}", "none", *[""] * (len(HEADINGS) - 3))
    ratio = results.ratio(standing.name, "ceiling")
    return (
        standing.title,
        f"{standing.events:,}",
        f"{standing.rate:,.0f}",
        f"{50 * (standing.rates[-1] - standing.rates[0]) / standing.rate:.0f}",
        f"{ratio:.3f}" if ratio else "",
        processor_time(standing),
        f"{standing.median(lambda m: m.resident_bytes / 2**20):,.0f}",
        f"{standing.median(lambda m: m.others):.2f}",
    )
