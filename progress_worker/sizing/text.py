"""An estimate as lines for people: the figures, then what they assume."""

from __future__ import annotations

import math
from collections.abc import Iterator

from progress_worker.settings.worker import Settings
from progress_worker.sizing import estimate as rules
from progress_worker.sizing.estimate import Node, Platform, Size

_COLUMN = 51


def sizing_text(platform: Platform, size: Size) -> str:
    """The estimate and its assumptions."""
    figures = [*_rows(size), *_postgres(size), *_citus(size.citus)]
    lines = [f"{name:{_COLUMN}}{value}" for name, value in figures]
    return "\n".join([*lines, "", "Assumed:", *(f"- {text}" for text in _assumed(platform))])


def short(figure: float) -> str:
    """Two digits that count, and hundredths at the finest."""
    if figure < 1:
        return f"{figure:.2f}"
    digits = 1 - math.floor(math.log10(figure))
    return f"{round(figure, digits):,.{max(0, digits)}f}"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{short(count / size)} {unit}"
    return f"{short(count / 1e3)} kB"


def _memory(count: float) -> str:
    """Not rounded: it is a size that machines have."""
    return f"{count / 1e9:,.0f} GB"


def _rows(size: Size) -> Iterator[tuple[str, str]]:
    yield "events a second, on average", short(size.events_per_second)
    yield "events a second at the peak", short(size.peak_events_per_second)
    yield (
        "workers, a core each",
        f"{size.workers:,}; {short(size.worker_cores_busy)} cores busy at the peak",
    )
    yield "partitions", f"{size.partitions:,}"
    yield (
        "views, a core each",
        f"{size.views:,}; {short(size.peak_requests_per_second)} requests a second at the peak",
    )
    yield "Kafka: disk of all brokers", _bytes(size.kafka_disk)


def _postgres(size: Size) -> Iterator[tuple[str, str]]:
    yield (
        "Postgres: cores for writing",
        f"{size.postgres_cores:,}; {short(size.postgres_cores_busy)} busy at the peak",
    )
    yield (
        "Postgres: memory",
        f"{_memory(size.postgres_memory)}; a day's learners have pages of "
        f"{_bytes(size.postgres_day_pages)}",
    )
    yield "Postgres: disk after the first year", _bytes(size.postgres_disk_first_year)
    yield "Postgres: disk, each further year", _bytes(size.postgres_disk_each_further_year)
    if size.postgres_disk_each_year_then is not None:
        yield (
            "Postgres: the same, once completions are deleted",
            _bytes(size.postgres_disk_each_year_then),
        )
    yield "Postgres: write-ahead log a day", _bytes(size.wal_per_day)
    yield (
        "Postgres: write-ahead log a second, at most",
        _bytes(size.wal_per_second_at_most),
    )
    yield "Postgres: connections", f"{size.postgres_connections:,}"


def _citus(node: Node | None) -> Iterator[tuple[str, str]]:
    if node is None:
        yield "Citus", "not needed"
        return
    yield "Citus: nodes, shards", f"{node.nodes:,}, {node.shards:,}"
    yield "each node: cores, memory", f"{node.cores:,}, {_memory(node.memory)}"
    yield "each node: disk after the first year", _bytes(node.disk_first_year)
    yield "each node: disk, each further year", _bytes(node.disk_each_further_year)
    yield "each node: write-ahead log a day", _bytes(node.wal_per_day)
    yield "each node: connections, at least", f"{node.connections:,}"


def _assumed(platform: Platform) -> Iterator[str]:
    replicas = Settings.model_fields["topic_replication"].default
    yield (
        f"The peak has {platform.peak_factor:g} times the events and requests a second of the "
        "average."
    )
    yield (
        f"{platform.active_share:.0%} of the learners are active on a day, and look at their "
        f"progress {platform.page_views:g} times."
    )
    yield (
        f"All are {rules.BUSY:.0%} busy at the peak, one worker is in reserve, and there are "
        f"{rules.LEAST} of each at least."
    )
    yield (
        f"{rules.PARTITIONS_PER_WORKER} partitions for each worker, so that you can add workers; "
        f"Kafka keeps {rules.KAFKA_DAYS} days, on {replicas} brokers, not compressed."
    )
    yield (
        f"Disk is {rules.DISK_HEADROOM:g} times the rows, memory {rules.MEMORY_HEADROOM} times the "
        "pages."
    )
    if platform.completion_days is not None:
        yield f"Completions are deleted after {platform.completion_days:,} days, their sums kept."
