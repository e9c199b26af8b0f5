"""Every metric of the worker, declared once, typed and explained."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from progress_worker.errors import Reason

_LATENCY: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600, 3600, 86400)
_STEP: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZE: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class BulkHistogram(Histogram):
    """A histogram that observes many values at once, in a fraction of the time."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Has the same effect as `observe` with each of the amounts."""
        self._sum.inc(sum(amounts))
        ordered = sorted(amounts)
        below = 0
        for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            upto = bisect_right(ordered, bound)
            if upto > below:
                bucket.inc(upto - below)
            below = upto


class Metrics:
    """The worker's metrics, in their own registry. Base units, bounded labels."""

    def __init__(self, topics: Iterable[str] = ()) -> None:
        """`topics` are the topics that the worker reads."""
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.ready = Gauge(
            "progress_ready", "1 while the readiness probe succeeds.", registry=registry
        )
        self.kafka_answers = Gauge(
            "progress_kafka_answers",
            "1 while Kafka answers a part of the worker: ingest, relay, commands.",
            ["part"],
            registry=registry,
        )
        self.events = Counter(
            "progress_events",
            "Events whose effect is committed, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.batch_events = Histogram(
            "progress_batch_events", "Events per batch.", buckets=_SIZE, registry=registry
        )
        self.batch_seconds = Histogram(
            "progress_batch_seconds",
            "Duration of a batch's steps: decode, load, fold, save, commit.",
            ["step"],
            buckets=_STEP,
            registry=registry,
        )
        self.commit_latency = BulkHistogram(
            "progress_event_commit_latency_seconds",
            "From completed_at, by the learner's clock, to the database commit. Events with an"
            " implausible completed_at are left out.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.unlock_commit_latency = BulkHistogram(
            "progress_unlock_commit_latency_seconds",
            "From the timestamp of the record that unlocks an achievement to the database commit."
            " Records without a plausible timestamp are left out.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.publish_latency = BulkHistogram(
            "progress_publish_latency_seconds",
            "From the beginning of the database transaction to Kafka's acknowledgement, by topic.",
            ["topic"],
            buckets=_LATENCY,
            registry=registry,
        )
        self.published = Counter(
            "progress_published", "Records acknowledged by Kafka.", ["topic"], registry=registry
        )
        self.lag_events = Gauge(
            "progress_lag_events",
            "Offsets of a partition that can be read and are not applied yet.",
            ["topic", "partition"],
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "progress_lag_seconds",
            "Age of the record that the worker has reached in a partition, or 0 if nothing is left"
            " to apply. Until Kafka has answered, the time since the assignment.",
            ["topic", "partition"],
            registry=registry,
        )
        self.withheld_seconds = Gauge(
            "progress_withheld_seconds",
            "How long Kafka has withheld a partition's next records because a producer has not"
            " ended its transaction, or 0.",
            ["topic", "partition"],
            registry=registry,
        )
        self.last_progress = Gauge(
            "progress_last_progress_timestamp_seconds",
            "When a batch was last committed.",
            registry=registry,
        )
        self.outbox_pending = Gauge(
            "progress_outbox_pending", "Records that wait to be published.", registry=registry
        )
        self.outbox_oldest = Gauge(
            "progress_outbox_oldest_age_seconds",
            "Age of the oldest record that waits to be published.",
            registry=registry,
        )
        self.outbox_parked = Gauge(
            "progress_outbox_parked",
            "Records that Kafka refused for good, held back until an operator releases them.",
            registry=registry,
        )
        self.dead_letters = Counter(
            "progress_dead_letters",
            "Records dead-lettered, by the topic that they came from.",
            ["topic", "reason"],
            registry=registry,
        )
        self.unlocks = Counter(
            "progress_unlocks", "Achievements unlocked.", ["achievement"], registry=registry
        )
        self.losses = Counter(
            "progress_unlocks_lost",
            "Unlocks that were lost because their rule no longer holds.",
            ["achievement", "reason"],
            registry=registry,
        )
        self.rebalances = Counter(
            "progress_rebalances",
            "How often the group took partitions away from this worker.",
            registry=registry,
        )
        self.assigned_partitions = Gauge(
            "progress_assigned_partitions", "Partitions this worker reads.", registry=registry
        )
        self.retries = Counter(
            "progress_retries",
            "Attempts after a transient failure.",
            ["part"],
            registry=registry,
        )
        self.offset_resets = Counter(
            "progress_offset_resets",
            "Partitions whose next record Kafka deleted before it was read: records are lost.",
            registry=registry,
        )
        self.relay_leader = Gauge(
            "progress_relay_leader", "1 in the worker that publishes the outbox.", registry=registry
        )
        self.database_connections = Gauge(
            "progress_database_connections",
            "Connections of the pool, by state.",
            ["state"],
            registry=registry,
        )
        self.rule_book = Gauge(
            "progress_rule_book_version",
            "The version of the active rule book, as this worker knows it.",
            registry=registry,
        )
        self.walk_examined = Gauge(
            "progress_walk_examined",
            "How many learners a walk's present or last pass has examined. For `retention`: how"
            " many completions.",
            ["walk"],
            registry=registry,
        )
        self.walk_changed = Gauge(
            "progress_walk_changed",
            "How many learners that pass moved to the active rule book, or how many completions it"
            " deleted. For `verify`: how many learners differ from what their completions say.",
            ["walk"],
            registry=registry,
        )
        self.walk_finished = Gauge(
            "progress_walk_finished_timestamp_seconds",
            "When a walk's last pass ended; 0 while it is under way, and while one for a newer rule"
            " book is due.",
            ["walk"],
            registry=registry,
        )
        self.rarity_counted = Gauge(
            "progress_rarity_counted_timestamp_seconds",
            "When it was counted last how many learners hold each achievement, as the leader last"
            " looked; 0 in a worker that has not led, before the first count, and where it is off.",
            registry=registry,
        )
        self.housekeeping_steps = Counter(
            "progress_housekeeping_steps",
            "Steps of the leader's housekeeping, by result: done or failed.",
            ["result"],
            registry=registry,
        )
        self.housekeeping_examined = Counter(
            "progress_housekeeping_examined",
            "Completions that the leader's housekeeping has looked at.",
            registry=registry,
        )
        self.housekeeping_deleted = Counter(
            "progress_housekeeping_deleted",
            "Rows that the leader deleted because their retention was over, by table.",
            ["table"],
            registry=registry,
        )
        self.housekeeping_passed = Gauge(
            "progress_housekeeping_passed_timestamp_seconds",
            "When the leader's housekeeping last reached the end of the completions.",
            registry=registry,
        )
        self.streak_warnings = Counter(
            "progress_streak_warnings",
            "Learners whom the leader has warned that their streak is at risk.",
            registry=registry,
        )
        self.streak_warnings_passed = Gauge(
            "progress_streak_warnings_passed_timestamp_seconds",
            "When the leader last found nobody left to warn; in a worker that has not led, when it"
            " started. 0 where warnings are off.",
            registry=registry,
        )
        # Create every label at start-up, so that its first increment is visible to `increase()`.
        for topic, reason in product(topics, Reason):
            self.dead_letters.labels(topic, reason.value)
        self.events.labels("dead_lettered")
        for result in ("done", "failed"):
            self.housekeeping_steps.labels(result)
        for table in ("completion", "outbox"):
            self.housekeeping_deleted.labels(table)

    def total_lag(self) -> float:
        """How many events of its partitions this worker has not applied yet."""
        return sum(s.value for metric in self.lag_events.collect() for s in metric.samples)
