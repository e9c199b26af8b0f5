"""Tickets for clients that cannot send headers: a minute, once, for this stream only."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from pydantic import SecretStr

from progress_worker.embedded.database import Database
from progress_worker.embedded.postgres import Postgres
from progress_worker.http.live import tickets as module
from progress_worker.http.live.tickets import (
    Tickets,
    TooManyTicketsError,
    ticket_key,
)
from progress_worker.http.security.authentication import READ_ANY, UnauthorizedError, mint_token
from tests.http.listening import listening
from tests.http.served import Served, serve_view

pytestmark = pytest.mark.integration

STREAM = "/api/progress/events"


@pytest.fixture(scope="module")
def database(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    found = postgres.create_database("tickets", migrated_template)
    yield found
    postgres.drop_database(found.name)


@pytest.fixture(scope="module")
def served(database: Database) -> Iterator[Served]:
    with serve_view(database) as found:
        yield found


def get(served: Served, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(served.url + path, headers=headers, timeout=20)


def issued(served: Served, user_id: str = "ada", /, **query: str) -> str:
    headers = served.headers(user_id, READ_ANY if query else "")
    answer = httpx.get(f"{served.url}{STREAM}/ticket", headers=headers, params=query)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    left = dt.datetime.fromisoformat(answer.json()["expires_at"]) - dt.datetime.now(dt.UTC)
    assert 55 < left.total_seconds() <= 60
    return str(answer.json()["ticket"])


def refused(answer: httpx.Response, status: int = 401) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_ticket_opens_one_stream(served: Served) -> None:
    ticket = issued(served)
    for _ in range(2):  # HEAD does not use it up
        assert httpx.head(f"{served.url}{STREAM}?ticket={ticket}").status_code == 200
    with listening(served.address, {}, query={"ticket": ticket}) as stream:
        assert stream.next().kind == "progress"
        refused(get(served, f"{STREAM}?ticket={ticket}"))
    answer = get(served, f"{STREAM}?ticket={ticket}")
    refused(answer)
    assert "used before" in answer.json()["detail"]


def test_a_ticket_opens_nothing_else(served: Served) -> None:
    ticket = issued(served)
    for path in ("", "/achievements", "/export", "/events/ticket"):
        refused(get(served, f"/api/progress{path}?ticket={ticket}"))
        refused(get(served, f"/api/progress{path}", {"Authorization": f"Bearer {ticket}"}))
    refused(get(served, STREAM, {"Authorization": f"Bearer {ticket}"}))
    refused(get(served, f"{STREAM}?ticket={ticket}", served.headers()), 422)
    refused(get(served, f"{STREAM}?ticket={ticket}&user_id=ada"), 422)
    refused(get(served, f"{STREAM}?ticket={ticket}&ticket={ticket}"))
    with listening(served.address, {}, query={"ticket": ticket}) as stream:
        stream.next()


def test_a_token_is_no_ticket(served: Served) -> None:
    refused(get(served, f"{STREAM}?ticket={mint_token(served.settings, 'ada')}"))
    for junk in ("", "x", "a.b.c", "%00", "%ff", "a" * 9_000):
        refused(get(served, f"{STREAM}?ticket={junk}"))


def test_a_forged_ticket(served: Served) -> None:
    head, claims, signature = issued(served).split(".")
    other_head, other_claims, _ = issued(served, "bob").split(".")
    refused(get(served, f"{STREAM}?ticket={other_head}.{other_claims}.{signature}"))
    nobody = jwt.encode({"sub": "bob"}, None, "none")  # type: ignore[arg-type]
    refused(get(served, f"{STREAM}?ticket={nobody.split('.')[0]}.{claims}."))
    refused(get(served, f"{STREAM}?ticket={head}.{claims}.{signature[::-1]}"))


def test_a_ticket_for_another_learner(served: Served) -> None:
    ticket = issued(served, "teacher", user_id="bob")
    with listening(served.address, {}, query={"ticket": ticket}) as stream:
        stream.next()
    assert get(served, f"{STREAM}/ticket?user_id=bob", served.headers()).status_code == 403


def test_the_stream_ends_with_the_token_behind_the_ticket() -> None:
    ends_at = time.time() + 1_000
    tickets = Tickets(b"k" * 32)
    text, expires_at = tickets.issue("ada", ends_at)
    ticket = tickets.check(text)
    assert (ticket.user_id, ticket.stream_ends_at) == ("ada", ends_at)
    assert 59 < expires_at - time.time() <= 60
    # A ticket is good for no longer than the token.
    _, expires_at = tickets.issue("ada", time.time() + 5)
    assert 4 < expires_at - time.time() <= 5


def test_a_ticket_expires() -> None:
    tickets = Tickets(b"k" * 32, seconds=0.2)
    text, _ = tickets.issue("ada", time.time() + 1_000)
    tickets.check(text)
    time.sleep(0.25)
    with pytest.raises(UnauthorizedError, match="expired"):
        tickets.check(text)


def test_what_was_used_is_forgotten_once_it_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_USED", 3)
    tickets = Tickets(b"k" * 32, seconds=0.3)
    issue = [tickets.issue("ada", time.time() + 1_000)[0] for _ in range(4)]
    for text in issue[:3]:
        tickets.use(tickets.check(text))
    with pytest.raises(TooManyTicketsError):
        tickets.use(tickets.check(issue[3]))
    time.sleep(0.35)
    text, _ = tickets.issue("ada", time.time() + 1_000)
    tickets.use(tickets.check(text))
    with pytest.raises(UnauthorizedError, match="used before"):
        tickets.check(text)


def test_instances_with_one_secret_accept_each_others_tickets(served: Served) -> None:
    def tickets(**settings: object) -> Tickets:
        return Tickets(ticket_key(served.settings.model_copy(update=settings)))

    secret = SecretStr("a secret for tickets that two instances share")
    text, _ = tickets(view_ticket_secret=secret).issue("ada", time.time() + 1_000)
    assert tickets(view_ticket_secret=secret).check(text).user_id == "ada"
    with pytest.raises(UnauthorizedError):
        tickets().check(text)
    # Not even with the same secret is a token a ticket.
    same = tickets(view_ticket_secret=served.settings.jwt_secret)
    with pytest.raises(UnauthorizedError):
        same.check(mint_token(served.settings, "ada"))
