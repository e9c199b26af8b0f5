"""The composition root: the Faust app with its services, agents, timers and probes.

`faust -A progress_worker.app worker` finds `app` here; it is built from the environment when it is
first asked for, not when this module is imported.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NoReturn

import faust
from aiokafka.client import AIOKafkaClient
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from progress_worker.at_risk.building import warning_service
from progress_worker.commands.building import command_handler
from progress_worker.commands.parts import CommandParts
from progress_worker.commands.reading_on import ReadOn
from progress_worker.commands.recalculation import Recalculation
from progress_worker.errors import ProgressError
from progress_worker.http.serving.probes import ProbeServer, add_probes
from progress_worker.ingest.decode import Decoder
from progress_worker.ingest.observing import new_observers, open_tracing
from progress_worker.ingest.projector import Projector
from progress_worker.ingest.service import IngestService
from progress_worker.kafka.clients import faust_options
from progress_worker.kafka.faust_transport import CommittedTransport, commands_client
from progress_worker.kafka.header_names import accept_any_header_name
from progress_worker.outbox.dead_lettering import DeadLetterWriter
from progress_worker.outbox.messages import Messages
from progress_worker.outbox.relay import RelayService
from progress_worker.runtime.collector import tune_collector
from progress_worker.runtime.health import Health
from progress_worker.runtime.kafka_answers import KafkaContact, KafkaWatch
from progress_worker.runtime.retry import RetryPolicy
from progress_worker.runtime.service import WorkerApp
from progress_worker.runtime.starting import check_kafka, check_port, data_directory
from progress_worker.settings.rules import load_rules
from progress_worker.settings.worker import Settings, load_settings
from progress_worker.storage.database import Connection, create_engine
from progress_worker.storage.rulebooks import RuleBooks
from progress_worker.storage.write import rulebooks
from progress_worker.storage.write.cache import LearnerCache
from progress_worker.storage.write.erasures import Erasures
from progress_worker.storage.write.expiries import Expiries
from progress_worker.telemetry.logs import configure_logs
from progress_worker.telemetry.metrics import Metrics
from progress_worker.walks.building import walk_services
from progress_worker.walks.housekeeping import Housekeeping
from progress_worker.walks.moving import MoveToRuleBook
from progress_worker.walks.walk import Walk

if TYPE_CHECKING:
    from progress_worker.telemetry.tracing import Tracing

_GAUGE_SECONDS = 2.0


class Worker:
    """Everything that one worker process runs, built and connected."""

    def __init__(self, settings: Settings, tracing: Tracing | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics([settings.completed_topic, settings.commands_topic])
        limit = settings.database_statement_timeout_seconds
        self.engine: AsyncEngine = create_engine(
            settings.database_url.get_secret_value(),
            application_name=f"progress-worker {settings.instance}",
            pool_size=settings.database_pool_size,
            connect_timeout_seconds=settings.database_connect_timeout_seconds,
            statement_timeout_seconds=limit,
        )
        self.retry = RetryPolicy(settings.retry_max_wait_seconds, self.metrics)
        rules = load_rules(settings)
        self.books = RuleBooks(rules.book)
        self._rules = rules
        pepper = settings.erasure_pepper
        self.erasures = Erasures(pepper.get_secret_value() if pepper else None)
        self.expiries = None if settings.streak_at_risk_hours is None else Expiries(self.books)
        self.messages = messages = Messages.of(settings)
        self.decoder = Decoder(
            max_value_bytes=settings.max_value_bytes,
            max_future_seconds=settings.max_future_seconds,
            day_starts=lambda: self.books.active.day_starts,
        )
        self.cache = LearnerCache(settings.cached_learners)
        self.outbox_filled = outbox_filled = asyncio.Event()
        self.observer = new_observers(self.metrics, tracing)
        self.projector = Projector(
            self.engine,
            self.books,
            self.decoder,
            messages,
            self.observer,
            outbox_filled=outbox_filled,
            time_limit_seconds=limit,
            cache=self.cache,
            expiries=self.expiries,
            erasures=self.erasures,
            emit_level_changes=settings.emit_level_changes,
        )
        parts = CommandParts(
            self.engine,
            self.books,
            messages,
            self.expiries,
            self.erasures,
            outbox_filled,
            limit,
        )
        self.recalculation = Recalculation(parts)
        self.read_on = ReadOn(settings, self.engine, self.retry, self.metrics)
        self.ingest = IngestService(
            settings,
            self.engine,
            self.projector,
            self.retry,
            self.metrics,
            self.observer,
            self.settle,
            self.read_on.wait_until_applied,
        )
        self.dead_letters = DeadLetterWriter(
            self.engine,
            replace(
                messages,
                consumer_group=settings.commands_group,
                dead_letter_topic=settings.commands_dead_letter_topic,
            ),
            self.observer,
            self.erasures,
            outbox_filled=outbox_filled,
            time_limit_seconds=limit,
        )
        self.commands = command_handler(
            settings,
            parts,
            self.recalculation,
            self.dead_letters,
            self.retry,
            self.ingest.crash,
        )
        self.relay = RelayService(
            settings, self.engine, self.retry, self.metrics, self.observer, outbox_filled
        )
        self.health = Health(
            self.engine,
            self.metrics,
            self.books,
            self.settle,
            time_limit_seconds=limit,
            instance=f"{settings.instance}/{os.getpid()}",
        )
        self.walk = Walk(
            self.engine,
            MoveToRuleBook(self.books, messages, self.expiries, self.metrics, outbox_filled),
            time_limit_seconds=limit,
        )
        self.housekeeping = Housekeeping(settings, self.engine, self.metrics)
        self.commands_kafka = KafkaContact("commands", settings)
        self.contacts = (self.ingest.kafka, self.relay.kafka, self.commands_kafka)
        self.metrics.ready.set_function(lambda: not self.obstacles)
        for contact in self.contacts:
            answers = self.metrics.kafka_answers.labels(contact.part)
            answers.set_function(partial(_answers, contact))

    @property
    def obstacles(self) -> list[str]:
        """The reasons why the worker is not ready, one sentence each; empty when it is ready."""
        obstacles = []
        if not self.ingest.ready:
            obstacles.append("The consumer group has not assigned partitions yet.")
        if not self.health.database_answers:
            obstacles.append("Postgres does not answer.")
        if silent := [contact.part for contact in self.contacts if contact.silent]:
            obstacles.append(f"Kafka does not answer: {', '.join(silent)}.")
        return obstacles

    async def settle(self, connection: Connection) -> None:
        """Find out which rule book is active, and that erased learners are recognised.

        The caller commits. Raises FatalError, with one sentence, where one of both is refused.
        """
        rules = self._rules
        await rulebooks.settle(connection, self.books, rules.text, built_in=rules.file is None)
        await self.erasures.check(connection)

    def watch_kafka(self, commands_client: Callable[[], AIOKafkaClient | None]) -> KafkaWatch:
        """The service that checks that Kafka answers every part's client, Faust's included."""
        return KafkaWatch(
            self.settings,
            {
                self.ingest.kafka: lambda: self.ingest.client,
                self.relay.kafka: lambda: self.relay.client,
                self.commands_kafka: commands_client,
            },
        )


def _answers(contact: KafkaContact) -> bool:
    return not contact.silent


def create_app(settings: Settings) -> faust.App:
    """The Faust app of a worker."""
    accept_any_header_name()
    tracing = open_tracing(settings)
    worker = Worker(settings, tracing)
    app = WorkerApp(
        settings.commands_group,
        **faust_options(settings),
        consumer_auto_offset_reset="earliest",
        reply_create_topic=False,
        stream_wait_empty=False,  # a stop or rebalance must not wait for commands
        key_serializer="raw",
        value_serializer="raw",
        web_host=settings.web_host,
        web_bind=settings.web_host,
        web_port=settings.web_port,
        web_metrics_enabled=False,
        web_stats_enabled=False,
        web_router_enabled=False,
        web_tables_enabled=False,
        web_graph_enabled=False,
        worker_redirect_stdouts=False,
        store=URL("memory://"),
        datadir=data_directory(),
    )
    app.web = ProbeServer(app)
    app.transport = CommittedTransport(app.conf.broker_consumer, app)
    app.before_consumer = [worker.read_on]
    if tracing is not None:
        app.service(tracing)  # type: ignore[arg-type]  # added first, so that it stops last
    app.service(worker.ingest)  # type: ignore[arg-type]  # Faust takes instances too
    app.service(worker.relay)  # type: ignore[arg-type]
    for walking in walk_services(
        app,
        settings,
        worker.engine,
        worker.books,
        worker.walk,
        worker.metrics,
        worker.messages,
        worker.outbox_filled,
    ):
        app.service(walking)  # type: ignore[arg-type]
    if worker.expiries is not None and (hours := settings.streak_at_risk_hours) is not None:
        warnings = warning_service(
            app,
            worker.engine,
            worker.books,
            worker.expiries,
            worker.messages,
            worker.metrics,
            worker.outbox_filled,
            hours=hours,
            time_limit_seconds=settings.database_statement_timeout_seconds,
        )
        app.service(warnings)  # type: ignore[arg-type]
    app.service(worker.watch_kafka(partial(commands_client, app)))  # type: ignore[arg-type]
    app.stop_together(
        worker.ingest,
        worker.relay,
        worker.commands,
        drain_seconds=settings.drain_timeout_seconds,
    )
    commands = app.topic(settings.commands_topic, key_type=bytes, value_type=bytes)
    app.agent(commands, name="commands")(worker.commands.consume)
    app.timer(_GAUGE_SECONDS, on_leader=False)(worker.health.refresh)
    if worker.housekeeping.wanted:
        app.timer(settings.housekeeping_seconds, on_leader=True)(worker.housekeeping.step)
    add_probes(app, lambda: worker.obstacles, worker.metrics.registry)
    return app


def run_worker(settings: Settings) -> NoReturn:
    """Run a worker until a signal stops it; exits with a non-zero status after a failure."""
    check_port(settings.web_host, settings.web_port)
    app = create_app(settings)
    check_kafka(settings)
    configure_logs(settings)
    tune_collector()
    process = faust.Worker(
        app, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False, quiet=True
    )
    process.spinner = None  # it writes its escape codes to files and pipes too
    try:
        process.execute_from_commandline()
    finally:
        if isinstance(app.crash_reason, ProgressError):
            raise app.crash_reason


@cache
def _app_from_environment() -> faust.App:
    try:
        app = create_app(load_settings())
    except ProgressError as error:
        raise SystemExit(error.sentence) from error  # Faust would show a traceback
    tune_collector()
    return app


def __getattr__(name: str) -> Any:
    if name == "app":
        return _app_from_environment()
    raise AttributeError(name)
