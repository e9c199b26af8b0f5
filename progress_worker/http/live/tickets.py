"""Tickets: what a client that cannot send headers shows in a query parameter instead of a token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Any, Final, NamedTuple

import jwt

from progress_worker.http.security.authentication import UnauthorizedError
from progress_worker.settings.view import ViewSettings

#: How long a ticket may be used.
TICKET_SECONDS: Final = 60.0

#: Used tickets that a process remembers, until they would have expired.
_MOST_USED: Final = 100_000
_ALGORITHM: Final = "HS256"
_CLAIMS: Final = ("sub", "exp", "jti", "until")


class Ticket(NamedTuple):
    """Whose events may be read, and until when, in POSIX seconds."""

    user_id: str
    stream_ends_at: float
    id: str
    expires_at: float


class TooManyTicketsError(Exception):
    """The process cannot remember one more used ticket."""


def ticket_key(settings: ViewSettings) -> bytes:
    """The key that signs tickets: of the setting, or a random one of this start.

    It is derived, so that a token signed with the same secret is no ticket.
    """
    given = settings.view_ticket_secret
    secret = given.get_secret_value().encode() if given else secrets.token_bytes(32)
    return hmac.digest(secret, b"tickets for the stream of events", hashlib.sha256)


class Tickets:
    """Issues tickets and accepts each once.

    A ticket is signed, so that every process with the same key accepts it. Which tickets were used
    is known to the process alone.
    """

    def __init__(self, key: bytes, seconds: float = TICKET_SECONDS) -> None:
        self._key = key
        self._seconds = seconds
        self._used: dict[str, float] = {}

    def issue(self, user_id: str, stream_ends_at: float) -> tuple[str, float]:
        """A ticket and the time at which it expires, at the latest with the token behind it."""
        expires_at = min(time.time() + self._seconds, stream_ends_at)
        claims = {
            "sub": user_id,
            "exp": expires_at,
            "jti": secrets.token_urlsafe(12),
            "until": stream_ends_at,
        }
        return jwt.encode(claims, self._key, _ALGORITHM), expires_at

    def check(self, text: str) -> Ticket:
        """The ticket, which stays unused. Raises UnauthorizedError if it is not good."""
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": list(_CLAIMS), "verify_exp": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise UnauthorizedError("the ticket is not valid") from error
        ticket = Ticket(claims["sub"], claims["until"], claims["jti"], claims["exp"])
        if ticket.expires_at <= time.time():  # PyJWT would round to seconds
            raise UnauthorizedError("the ticket has expired")
        if ticket.id in self._used:
            raise UnauthorizedError("the ticket was used before")
        return ticket

    def use(self, ticket: Ticket) -> None:
        """Accept a ticket that was just checked, and never again. Raises TooManyTicketsError."""
        self._forget_expired()
        if len(self._used) >= _MOST_USED:
            raise TooManyTicketsError
        self._used[ticket.id] = ticket.expires_at

    def _forget_expired(self) -> None:
        """In the order of use, so that one that expires later may keep others for a minute."""
        now = time.time()
        while self._used and self._used[first := next(iter(self._used))] <= now:
            del self._used[first]
