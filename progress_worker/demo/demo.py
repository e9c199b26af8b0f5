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

from progress_worker.demo.check import differences
from progress_worker.demo.display import Display
from progress_worker.demo.follow import Journey, find
from progress_worker.demo.programs import Programs, running_programs
from progress_worker.demo.report import Addresses, tell_addresses, tell_totals, tell_verdict
from progress_worker.demo.sent import Expectation, expect
from progress_worker.demo.stack import EmbeddedStack
from progress_worker.domain.rulebook import RuleBook
from progress_worker.errors import ProgressError
from progress_worker.generator.generator import generate
from progress_worker.http.security.authentication import mint_token
from progress_worker.kafka.topics import create_topics
from progress_worker.settings.complaints import PREFIX
from progress_worker.settings.environment import replace_environment, rule_environment
from progress_worker.settings.rules import load_rules
from progress_worker.settings.view import load_token_settings
from progress_worker.settings.worker import Settings, load_settings
from progress_worker.storage.schema.migrate import migrate

#: Logs that a person can read, and a link that opens the page.
_COMFORT: Final = {f"{PREFIX}LOG_FORMAT": "console", f"{PREFIX}VIEW_DEVELOPMENT_LOGIN": "true"}
_TOKEN_LIFETIME: Final = dt.timedelta(days=1)
_LOOK_SECONDS: Final = 0.5
#: A client may see that a server is gone a moment before the guard does.
_SETTLE_SECONDS: Final = 0.3


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

    The deployment's rule book is the only setting that is taken from the environment. A worker or
    a view that somebody kills is started again. Raises FatalError when the rules are wrong, or
    when a part does not start or fails. Whatever ends the demo ends all that it started.
    """
    display, began = Display(console), time.monotonic()
    tokens = _token_settings()
    own = rule_environment() | tokens | _COMFORT
    replace_environment(own)
    book = _rules(display)
    with EmbeddedStack() as stack, _naming_the_ended(stack):
        display.step(f"Kafka broker and Postgres are up, in {stack.directory}")
        replace_environment(stack.environment() | own)
        settings = load_settings()
        migrate(stack.database.owner_url)
        topics = asyncio.run(create_topics(settings))
        display.step(f"Database migrated, {len(topics)} topics created")
        with running_programs(stack, display.note) as programs:
            display.step("Worker and HTTP view started")
            demo = _Demo(options, settings, stack, programs, book)
            true = asyncio.run(demo.run(console, display))
            console.print(f"{time.monotonic() - began:.1f} s in all.", highlight=False)
            if options.keep:
                tell_addresses(console, demo.addresses(tokens))
                _wait(programs)
    return true


class _Demo:
    """One run on a stack whose worker and view have been started."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        stack: EmbeddedStack,
        programs: Programs,
        book: RuleBook,
    ) -> None:
        self._options = options
        self._settings = settings
        self._stack = stack
        self._programs = programs
        self._book = book
        self._user_id = ""
        self._token = ""

    async def run(self, console: Console, display: Display) -> bool:
        """Publish, follow, read back, tell; whether all is true."""
        options, settings = self._options, self._settings
        journey = Journey(settings, self._programs, display, options.count)
        end = dt.datetime.now(dt.UTC)
        records = generate(options.count, options.seed, options.learners, end)
        await journey.follow(records, options.rate)
        expected = expect(journey.sent, self._book)
        viewed = await self._view_one(expected)
        metrics = await self._programs.read(self._programs.worker, "/metrics")
        counted = None if self._programs.worker.restarts else metrics
        url = self._stack.database.worker_url
        found = await find(settings, self._book, url, counted, viewed)
        wrong = differences(expected, found)
        tell_totals(console, expected, found)
        tell_verdict(console, expected, wrong)
        return not wrong

    async def _view_one(self, expected: Expectation) -> str:
        """The view's answer to the learner who unlocked most."""
        unlocks = Counter(unlock.user_id for unlock in expected.unlocks)
        self._user_id = max(sorted(expected.learners), key=lambda user_id: unlocks[user_id])
        self._token = mint_token(load_token_settings(), self._user_id, lifetime=_TOKEN_LIFETIME)
        return await self._programs.read(self._programs.view, "/api/progress", self._token)

    def addresses(self, tokens: dict[str, str]) -> Addresses:
        """Where everything is, once the demo has run."""
        return Addresses(
            bootstrap=self._stack.broker.bootstrap,
            database_url=self._stack.database.view_url,
            worker_url=self._programs.worker.url,
            worker_pid=self._programs.worker.pid,
            view_url=self._programs.view.url,
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


def _rules(display: Display) -> RuleBook:
    """The deployment's rule book; raises ConfigurationError that names the variable."""
    rules = load_rules(load_token_settings())
    name = rules.file or "the built-in rule book"
    display.step(f"{len(rules.book.achievements)} achievements read from {name}")
    return rules.book


@contextmanager
def _naming_the_ended(stack: EmbeddedStack) -> Iterator[None]:
    """Report that a server has ended, in place of the errors that follow from it."""
    try:
        yield
    except ProgressError:
        time.sleep(_SETTLE_SECONDS)
        stack.check()
        raise


def _wait(programs: Programs) -> None:
    """Until Ctrl-C. Raises FatalError as `Programs.check` does."""
    try:
        while True:
            programs.check()
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return
