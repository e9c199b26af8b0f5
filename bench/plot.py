"""The rates as a bar chart in SVG."""

from __future__ import annotations

from html import escape

from bench.results import Results

_WIDTH, _LEFT, _BAR, _GAP, _TOP = 760, 260, 24, 12, 48
_ROOM = 90


def chart(results: Results) -> str:
    """A bar for each contestant that has a rate, the fastest first."""
    rates = [(standing.title, standing.rate, standing.name) for standing in results.standings]
    bars = sorted(
        ((rate, title, name) for title, rate, name in rates if rate is not None), reverse=True
    )
    height = _TOP + len(bars) * (_BAR + _GAP) + _GAP
    longest = max((rate for rate, _, _ in bars), default=1.0)
    scale = (_WIDTH - _LEFT - _ROOM) / longest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="12" y="26" font-size="16">Events a second, median of {results.rounds}</text>',
    ]
    for place, (rate, title, name) in enumerate(bars):
        parts += _bar(_TOP + place * (_BAR + _GAP), rate, rate * scale, title, name)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(top: int, rate: float, length: float, title: str, name: str) -> list[str]:
    middle = top + _BAR / 2 + 5
    colour = "#2563eb" if name.startswith("ours") else "#9ca3af"
    return [
        f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{escape(title)}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{max(1.0, length):.1f}" height="{_BAR}" '
        f'fill="{colour}"/>',
        f'<text x="{_LEFT + length + 8:.1f}" y="{middle}">{rate:,.0f}</text>',
    ]
