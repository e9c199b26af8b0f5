"""The committed dashboards and the queries of their panels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))


class Query(NamedTuple):
    """A panel's query, and where it stands."""

    where: str
    expression: str


def dashboard(path: Path) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    read: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return read


def queries() -> Iterator[Query]:
    """Every query of every panel, with an interval in place of Grafana's."""
    for path in DASHBOARDS:
        for panel in dashboard(path)["panels"]:
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "1m")
                yield Query(f"{path.stem}: {panel['title']}", expression)
