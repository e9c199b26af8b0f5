"""From a platform's numbers to workers, processors, memory and disk: pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from progress_worker.settings.view import ViewSettings
from progress_worker.settings.worker import Settings
from progress_worker.sizing import costs

_DAY: Final = 86_400.0
_YEAR_DAYS: Final = 365
#: A worker, a view or Postgres is this busy at the peak.
BUSY: Final = 0.5
#: For what vacuum leaves free, and for rebuilding an index.
DISK_HEADROOM: Final = 1.5
#: Of the pages of a day's learners, for everything else that Postgres keeps.
MEMORY_HEADROOM: Final = 2
LEAST: Final = 2
LEAST_MEMORY: Final = 4e9
PARTITIONS_PER_WORKER: Final = 4
SHARDS_PER_NODE: Final = 8
NODE_DISK: Final = 2e12
KAFKA_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Platform:
    """What is known of a platform, or assumed.

    `peak_factor` is how many times the average's events and requests a second has at the peak,
    `active_share` the share of learners who are active on a day, `page_views` how often each of
    these looks. Without `completion_days` completions are kept for ever; `nodes` are those of
    Citus, by default as many as the first year needs.
    """

    learners: int
    events_per_day: int
    peak_factor: float = 10.0
    active_share: float = 0.1
    page_views: float = 5.0
    completion_days: int | None = None
    nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """What each of Citus's nodes takes: its shards' part of Postgres's, and all connections."""

    nodes: int
    shards: int
    disk_first_year: float
    disk_each_further_year: float
    memory: float
    cores: int
    wal_per_day: float
    connections: int


@dataclass(frozen=True, slots=True)
class Size:
    """What a platform takes. Sizes in bytes, rates per second, processors in cores."""

    events_per_second: float
    peak_events_per_second: float
    workers: int
    worker_cores_busy: float
    partitions: int
    peak_requests_per_second: float
    views: int
    postgres_cores: int
    postgres_cores_busy: float
    postgres_day_pages: float
    postgres_memory: float
    postgres_disk_first_year: float
    postgres_disk_each_further_year: float
    #: Once completions are deleted; None if they are kept.
    postgres_disk_each_year_then: float | None
    wal_per_day: float
    wal_per_second_at_most: float
    postgres_connections: int
    kafka_disk: float
    #: None if one Postgres is enough.
    citus: Node | None


def estimate(platform: Platform) -> Size:
    """Estimate what the platform takes."""
    average = platform.events_per_day / _DAY
    peak = average * platform.peak_factor
    active = platform.learners * platform.active_share
    requests = active * platform.page_views / _DAY * platform.peak_factor
    worker_cores = peak * costs.WORKER_TIME.value
    postgres_cores = peak * costs.POSTGRES_TIME.value
    workers = max(LEAST, math.ceil(worker_cores / BUSY) + 1)
    views = max(LEAST, math.ceil(requests / costs.VIEW_RATE.value / BUSY))
    pages = active * costs.PAGES.value
    yearly = platform.events_per_day * _YEAR_DAYS * DISK_HEADROOM
    further = yearly * (costs.COMPLETION.value + costs.DAY_ROW.value)
    first = further + platform.learners * costs.LEARNER.value * DISK_HEADROOM
    wal = platform.events_per_day * costs.WAL.value
    connections = _connections(workers, views)
    return Size(
        events_per_second=average,
        peak_events_per_second=peak,
        workers=workers,
        worker_cores_busy=worker_cores,
        partitions=max(_default("topic_partitions"), PARTITIONS_PER_WORKER * workers),
        peak_requests_per_second=requests,
        views=views,
        postgres_cores=_cores(postgres_cores),
        postgres_cores_busy=postgres_cores,
        postgres_day_pages=pages,
        postgres_memory=_memory(pages),
        postgres_disk_first_year=first,
        postgres_disk_each_further_year=further,
        postgres_disk_each_year_then=(
            None if platform.completion_days is None else yearly * costs.DAY_ROW.value
        ),
        wal_per_day=wal,
        wal_per_second_at_most=peak * costs.WAL_AT_MOST.value,
        postgres_connections=connections,
        kafka_disk=(
            platform.events_per_day
            * KAFKA_DAYS
            * _default("topic_replication")
            * costs.RECORD.value
        ),
        citus=_citus(platform.nodes, first, further, pages, postgres_cores, wal, connections),
    )


def _citus(
    wanted: int | None,
    first: float,
    further: float,
    pages: float,
    cores: float,
    wal: float,
    connections: int,
) -> Node | None:
    if wanted is None and first <= NODE_DISK:
        return None
    nodes = wanted or math.ceil(first / NODE_DISK)
    return Node(
        nodes=nodes,
        shards=2 ** math.ceil(math.log2(SHARDS_PER_NODE * nodes)),
        disk_first_year=first / nodes,
        disk_each_further_year=further / nodes,
        memory=_memory(pages / nodes),
        cores=_cores(cores / nodes),
        wal_per_day=wal / nodes,
        # Each session of the coordinator keeps one to each node.
        connections=connections,
    )


def _cores(busy: float) -> int:
    return max(LEAST, math.ceil(busy / BUSY))


def _memory(pages: float) -> float:
    """The next power of two, in gigabytes, as machines are sold."""
    wanted = max(LEAST_MEMORY, pages * MEMORY_HEADROOM)
    return float(2 ** math.ceil(math.log2(wanted / 1e9)) * 1e9)


def _connections(workers: int, views: int) -> int:
    fields = ViewSettings.model_fields
    view = fields["view_pool_size"].default + fields["view_export_pool_size"].default
    return int(workers * _default("database_pool_size") + views * view)


def _default(setting: str) -> int:
    value: int = Settings.model_fields[setting].default
    return value
