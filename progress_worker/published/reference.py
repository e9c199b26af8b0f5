"""Generates the reference pages of settings, metrics and the rule book's keys from the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from progress_worker.doctor.configuration import Variable, variables
from progress_worker.http.metrics import ViewMetrics
from progress_worker.published.rulebook_reference import rulebook_page
from progress_worker.settings.kafka import KafkaSettings
from progress_worker.settings.migration import MigrationSettings
from progress_worker.settings.shared import SharedSettings
from progress_worker.settings.view import TokenSettings, ViewSettings
from progress_worker.settings.worker import Settings
from progress_worker.telemetry.metrics import Metrics

_MADE: Final = (
    "`progress-worker reference` writes this page from the code. Edit the code, not this page.\n"
)

#: Each settings class, the heading of its part of the page, and the commands that read it.
_PARTS: Final[tuple[tuple[type[BaseModel], str, str], ...]] = (
    (SharedSettings, "Rules and logs", "worker, api"),
    (KafkaSettings, "Kafka", "worker, topics, generate, dlq"),
    (Settings, "The worker", "worker"),
    (TokenSettings, "Tokens", "api, token"),
    (ViewSettings, "The view", "api"),
    (MigrationSettings, "Migrations", "migrate"),
)


def write_reference(directory: Path) -> None:
    """Write `settings.md`, `metrics.md` and `rule-book-reference.md` into a directory."""
    (directory / "settings.md").write_text(settings_page(), encoding="utf-8")
    (directory / "metrics.md").write_text(metrics_page(), encoding="utf-8")
    (directory / "rule-book-reference.md").write_text(rulebook_page(), encoding="utf-8")


def settings_page() -> str:
    """Every variable with its meaning, its default, and the commands that read it."""
    lines = [
        "# Settings",
        "",
        "All settings are environment variables. An empty one counts as not set. " + _MADE,
        "`progress-worker config check --for worker` (or `api`, `migrate`) prints each value that "
        "would be used and where it comes from, or one sentence for each thing that is wrong.",
    ]
    for kind, title, readers in _PARTS:
        lines += ["", f"## {title}", "", f"Read by {readers}.", ""]
        lines += ["| variable | meaning | default |", "| --- | --- | --- |"]
        lines += [
            f"| `{name}` | {_cell(meaning)} | {default} |"
            for name, meaning, default in _described(kind)
        ]
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every metric with its type, labels and meaning."""
    lines = ["# Metrics", "", _MADE, "All times are in seconds, all sizes in bytes."]
    parts = (
        ("The worker", "at `/metrics` of port 6066", Metrics()),
        (
            "The view",
            "at `/metrics` of port 8080, or of `PROGRESS_VIEW_METRICS_PORT`",
            ViewMetrics(),
        ),
    )
    for title, where, owner in parts:
        lines += ["", f"## {title}", "", f"Served {where}.", "", *_METRIC_HEAD]
        lines += [
            _row(metric) for metric in vars(owner).values() if isinstance(metric, MetricWrapperBase)
        ]
    lines += ["", "## Both processes", "", _PROCESS]
    return "\n".join(lines) + "\n"


_PROCESS: Final = (
    "On Linux: `process_cpu_seconds_total`, `process_resident_memory_bytes`, "
    "`process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds` and "
    "`process_max_fds`. Everywhere: `python_info`, which names the interpreter's version."
)
_METRIC_HEAD: Final = ("| metric | type | labels | meaning |", "| --- | --- | --- | --- |")


def _row(metric: MetricWrapperBase) -> str:
    family = next(iter(metric.describe()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"| `{name}` | {family.type} | {labels} | {_cell(family.documentation)} |"


def _described(kind: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for variable in variables(kind):
        if variable.path[0] in kind.__annotations__:
            yield variable.name, _meaning(kind, variable), _default(kind, variable)


def _meaning(kind: type[BaseModel], variable: Variable) -> str:
    outer = kind.model_fields[variable.path[0]]
    told = [] if outer is variable.field else [outer.description or ""]
    return " ".join([*told, variable.field.description or ""])


def _default(kind: type[BaseModel], variable: Variable) -> str:
    field: FieldInfo = variable.field
    if len(variable.path) > 1:
        outer = kind.model_fields[variable.path[0]].default
        return f"`{getattr(outer, variable.path[1])}`"
    if field.default_factory is not None:
        return "the host's name"
    if field.default is PydanticUndefined:
        return "**required**"
    if field.default is None or isinstance(field.default, SecretStr):
        return "–"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
