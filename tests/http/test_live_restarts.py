"""Clients that only reconnect see every unlock exactly once, however often the view restarts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from progress_worker.embedded.database import Database
from tests.harness.storage import fetch
from tests.http.listening import Said, listening
from tests.http.saving import saving
from tests.http.served import Served, serve_view

pytestmark = pytest.mark.integration

RESTARTS = 20
LEARNERS = 12
TOPICS = ("algorithms", "sets", "graphs")


class Client(threading.Thread):
    """Listens to one learner, and reconnects with the last id that it has seen.

    It hangs up after a random number of events now and then, also between two of one version.
    """

    def __init__(self, user_id: str, address: tuple[str, int], rng: random.Random) -> None:
        super().__init__()
        self.user_id = user_id
        self.said: list[Said] = []
        self.headers: dict[str, str] = {}
        self.last = "0"
        self.failure: Exception | None = None
        self.stopped = threading.Event()
        self._address = address
        self._rng = rng

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                with listening(self._address, self.headers, self.last) as stream:
                    for _ in range(self._rng.choice([1, 2, 3, 50])):
                        self._take(stream.next(5))
            except (OSError, EOFError):
                self.stopped.wait(0.05)
            except Exception as error:
                self.failure = error
                return

    def _take(self, said: Said) -> None:
        self.said.append(said)
        self.last = said.id


@contextmanager
def listeners(served: Served) -> Iterator[list[Client]]:
    rng = random.Random(7)
    names = [f"learner-{number}" for number in range(LEARNERS)]
    clients = [Client(name, served.address, random.Random(rng.random())) for name in names]
    for client in clients:
        client.headers = served.headers(client.user_id)
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join()


def test_every_unlock_is_seen_exactly_once(migrated_database: Database, tmp_path: Path) -> None:
    rng = random.Random(3)
    with saving(migrated_database, tmp_path) as worker:

        def save_some() -> None:
            for _ in range(6):
                worker.complete(
                    f"learner-{rng.randrange(LEARNERS)}",
                    day=rng.randint(1, 28),
                    topic=rng.choice(TOPICS),
                    difficulty=rng.choice(["easy", "hard"]),
                )

        with serve_view(migrated_database) as served:
            again = partial(
                serve_view, migrated_database, PROGRESS_VIEW_PORT=str(served.settings.view_port)
            )
        with listeners(served) as clients:
            for number in range(RESTARTS):
                with again() as view:
                    save_some()
                    time.sleep(rng.uniform(0, 1.5))
                    if number % 2:
                        view.kill()
                save_some()
            query = "SELECT user_id, achievement_id FROM achievement_unlock"
            unlocked = sorted(fetch(migrated_database.owner_url, query))
            with again():
                deadline = time.monotonic() + 30
                while seen(clients) != unlocked and time.monotonic() < deadline:
                    time.sleep(0.2)
    assert [client.failure for client in clients if client.failure] == []
    assert len(unlocked) > 3 * LEARNERS
    assert seen(clients) == unlocked
    assert {said.kind for client in clients for said in client.said} == {
        "achievement",
        "level",
        "progress",
    }


def seen(clients: list[Client]) -> list[tuple[str, str]]:
    """Every unlock that a client has seen, as often as it has."""
    return sorted(
        (client.user_id, said.data["id"])
        for client in clients
        for said in client.said
        if said.kind == "achievement"
    )
