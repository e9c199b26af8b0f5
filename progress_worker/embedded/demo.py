"""The demo: the whole system on this machine, fed with generated events, and checked."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from progress_worker.deployment import level_rules, load_catalogue
from progress_worker.domain.reducer import Reducer
from progress_worker.embedded import demo_read
from progress_worker.embedded.demo_check import differences
from progress_worker.embedded.demo_display import Display
from progress_worker.embedded.demo_follow import Journey, find
from progress_worker.embedded.demo_programs import Program
from progress_worker.embedded.demo_report import (
    Addresses,
    tell_addresses,
    tell_totals,
    tell_verdict,
)
from progress_worker.embedded.demo_sent import Expectation, expect
from progress_worker.embedded.generator import generate
from progress_worker.embedded.stack import EmbeddedStack
from progress_worker.http.authentication import mint_token
from progress_worker.settings import (
    PREFIX,
    Settings,
    load_settings,
    load_token_settings,
    replace_environment,
)
from progress_worker.storage.migrate import migrate
from progress_worker.topics import create_topics

#: Logs that a person can read, and a link that opens the page.
_COMFORT: Final = {f"{PREFIX}LOG_FORMAT": "console", f"{PREFIX}VIEW_DEVELOPMENT_LOGIN": "true"}
_TOKEN_LIFETIME: Final = dt.timedelta(days=1)
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """How many records of how many learners, how many a second, what stays running.

    A `rate` of 0 publishes as fast as it goes.
    """

    count: int
    learners: int
    seed: int
    rate: float
    keep: bool


def run_demo(options: Options, console: Console) -> bool:
    """Whether everything that the demo showed is true.

    Raises FatalError when a part does not start or ends early. Whatever ends the demo ends all
    that it started.
    """
    display, began = Display(console), time.monotonic()
    with EmbeddedStack() as stack:
        display.step(f"Kafka broker and Postgres are up, in {stack.directory}")
        tokens = _token_settings()
        replace_environment(stack.environment() | tokens | _COMFORT)
        settings = load_settings()
        migrate(stack.database.owner_url)
        topics = asyncio.run(create_topics(settings))
        display.step(f"Database migrated, {len(topics)} topics created")
        with _programs(stack) as (worker, view):
            display.step("Worker and HTTP view started")
            demo = _Demo(options, settings, stack, worker, view)
            true = asyncio.run(demo.run(console, display))
            console.print(f"{time.monotonic() - began:.1f} s in all.", highlight=False)
            if options.keep:
                tell_addresses(console, demo.addresses(tokens))
                _wait(worker, view)
    return true


class _Demo:
    """One run on a stack whose worker and view have been started."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        stack: EmbeddedStack,
        worker: Program,
        view: Program,
    ) -> None:
        self._options = options
        self._settings = settings
        self._stack = stack
        self._worker = worker
        self._view = view
        self._user_id = ""
        self._token = ""

    async def run(self, console: Console, display: Display) -> bool:
        """Publish, follow, read back, tell; whether all is true."""
        options, settings = self._options, self._settings
        journey = Journey(settings, self._worker, self._view, display, options.count)
        end = dt.datetime.now(dt.UTC)
        records = generate(options.count, options.seed, options.learners, end)
        await journey.follow(records, options.rate)
        reducer = Reducer(load_catalogue(settings), level_rules(settings))
        expected = expect(journey.sent, reducer)
        viewed = await self._view_one(expected)
        found = await find(settings, self._stack.database.view_url, self._worker.url, viewed)
        wrong = differences(expected, found)
        tell_totals(console, expected, found)
        tell_verdict(console, expected, wrong)
        return not wrong

    async def _view_one(self, expected: Expectation) -> str:
        """The view's answer to the learner who unlocked most."""
        unlocks = Counter(unlock.user_id for unlock in expected.unlocks)
        self._user_id = max(sorted(expected.learners), key=lambda user_id: unlocks[user_id])
        self._token = mint_token(load_token_settings(), self._user_id, lifetime=_TOKEN_LIFETIME)
        await self._view.serving()
        return await demo_read.get(f"{self._view.url}/api/progress", self._token)

    def addresses(self, tokens: dict[str, str]) -> Addresses:
        """Where everything is, once the demo has run."""
        return Addresses(
            bootstrap=self._stack.broker.bootstrap,
            database_url=self._stack.database.view_url,
            worker_url=self._worker.url,
            view_url=self._view.url,
            user_id=self._user_id,
            token=self._token,
            token_settings=tokens,
            directory=self._stack.directory,
        )


def _token_settings() -> dict[str, str]:
    return {
        f"{PREFIX}JWT_SECRET": secrets.token_urlsafe(32),
        f"{PREFIX}JWT_ISSUER": "progress-worker-demo",
        f"{PREFIX}JWT_AUDIENCE": "progress-view",
    }


@contextmanager
def _programs(stack: EmbeddedStack) -> Iterator[tuple[Program, Program]]:
    """The worker and the view, which end before what they need."""
    environment = stack.environment()
    guard, host = stack.broker.guard, environment[f"{PREFIX}WEB_HOST"]
    started: list[Program] = []
    try:
        for command, port in (("worker", "WEB_PORT"), ("api", "VIEW_PORT")):
            url = f"http://{host}:{environment[PREFIX + port]}"
            started.append(Program(guard, command, url))
        yield started[0], started[1]
    finally:
        for program in started:
            program.signal_stop()
        for program in started:
            program.stop()


def _wait(worker: Program, view: Program) -> None:
    """Until Ctrl-C. Raises FatalError when the worker or the view ends."""
    try:
        while True:
            for program in (worker, view):
                program.check()
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return
