"""The paths of live updates: the stream, and the ticket for clients that cannot send headers."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from progress_worker.http.api.fields import Answer, Moment
from progress_worker.http.asking import USER_ID, Authenticate, bearer, learner_asked_for
from progress_worker.http.endpoints import Call, Endpoint
from progress_worker.http.languages import ACCEPT_LANGUAGE, accepted_languages
from progress_worker.http.live.events import read_position
from progress_worker.http.live.hub import (
    STREAMS_OF_A_LEARNER,
    Hub,
    NoRoomError,
    TooManyStreamsError,
)
from progress_worker.http.live.stream import Stream
from progress_worker.http.live.tickets import Ticket, TooManyTicketsError
from progress_worker.http.parameters import Parameter, Values
from progress_worker.http.problems import InvalidRequestError
from progress_worker.http.security.authentication import UnauthorizedError
from progress_worker.http.serving.connections import CONNECTION

_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": ACCEPT_LANGUAGE,
    # nginx would collect events until its buffer is full.
    "X-Accel-Buffering": "no",
}
#: Clients that lost one process wait for a time between these, so they do not all come at once.
_RETRY_MILLISECONDS: Final = (1_000, 5_000)
_RETRY_AFTER: Final = {"Retry-After": "5"}
#: How long the end of a stream may wait for a client that does not read.
_LAST_WORDS_SECONDS: Final = 2.0


TICKET: Final[Parameter[str | None]] = Parameter(
    "ticket",
    "A ticket in place of a token, for clients that cannot send headers.",
    str,
    {"type": "string"},
    None,
)
LAST_EVENT_ID: Final[Parameter[str | None]] = Parameter(
    "last_event_id",
    "The last id that the client has seen. The header `Last-Event-ID` wins.",
    str,
    {"type": "string"},
    None,
)


class TicketAnswer(Answer, frozen=True, kw_only=True):
    """A ticket for one stream."""

    ticket: Annotated[str, Meta(description="Send it as `ticket` to `/api/progress/events`, once.")]
    expires_at: Annotated[Moment, Meta(description="The ticket is good until then.")]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Whose events are wanted, until when in POSIX seconds, and the ticket that says so."""

    user_id: str
    ends_at: float
    ticket: Ticket | None = None


async def events(call: Call) -> Response:
    """Unlocks, levels and progress as they happen. Ends when the token does."""
    return await stream_to(call, bearer)


async def stream_to(call: Call, authenticate: Authenticate) -> Response:
    """The stream of the learner whom `authenticate`, or a ticket, allows to read."""
    values, live = call.values(), call.view.live
    reader = await _reader(call, values, authenticate)
    # EventSource keeps the address when it reconnects, so the header is newer.
    last = call.request.headers.get("last-event-id") or values[LAST_EVENT_ID]
    _check_room(live.hub, reader)
    if call.request.method == "HEAD":
        head = Response(headers=_HEADERS)
        del head.headers["Content-Length"]
        return head
    if reader.ticket is not None:
        try:
            live.tickets.use(reader.ticket)
        except TooManyTicketsError as error:
            raise HTTPException(503, "Too many tickets are in use.", _RETRY_AFTER) from error
    stream = Stream(
        reader.user_id,
        read_position(last) if last else None,
        ends_at=asyncio.get_running_loop().time() + reader.ends_at - time.time(),
        heartbeat_seconds=live.heartbeat_seconds,
        accepted_languages=accepted_languages(call.request.scope),
    )
    return EventStream(live.hub, stream)


async def events_ticket(call: Call) -> Response:
    """A ticket that opens one stream within a minute, for clients that cannot send headers."""
    reader = await _authenticated(call, call.values(), bearer)
    ticket, expires_at = call.view.live.tickets.issue(reader.user_id, reader.ends_at)
    answer = TicketAnswer(ticket=ticket, expires_at=dt.datetime.fromtimestamp(expires_at, dt.UTC))
    return Response(
        msgspec.json.encode(answer),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


class EventStream(Response):
    """Sends a stream until it ends or its client goes."""

    def __init__(self, hub: Hub, stream: Stream) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["Content-Length"]
        self._hub = hub
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. One whose client does not read its end is cut off."""
        stream, loop = self._stream, asyncio.get_running_loop()
        self._hub.open(stream)
        connection = scope.get(CONNECTION)
        if connection is not None:
            connection.lasts()
        left = asyncio.create_task(_until_left(receive))
        left.add_done_callback(lambda _: stream.end("left"))
        try:
            async with asyncio.timeout(None) as limit:
                stream.on_end = lambda: limit.reschedule(loop.time() + _LAST_WORDS_SECONDS)
                await self._send(send)
        except TimeoutError:
            if connection is not None:
                connection.abort()
                await asyncio.wait([left], timeout=_LAST_WORDS_SECONDS)
        finally:
            stream.on_end = lambda: None
            self._hub.close(stream)
            left.cancel()
            with suppress(asyncio.CancelledError):
                await left

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        portion: bytes | None = f"retry: {random.randint(*_RETRY_MILLISECONDS)}\n\n".encode()  # noqa: S311
        while portion is not None:
            await send({"type": "http.response.body", "body": portion, "more_body": True})
            portion = await self._stream.next()
        await send({"type": "http.response.body"})


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reader(call: Call, values: Values, authenticate: Authenticate) -> _Reader:
    ticket = values[TICKET]
    if ticket is None or values.mistakes:
        return await _authenticated(call, values, authenticate)
    if "authorization" in call.request.headers:
        raise InvalidRequestError([TICKET.invalid("give a ticket or a bearer token, not both")])
    if values[USER_ID] is not None:
        raise InvalidRequestError([USER_ID.invalid("a ticket already names the learner")])
    found = call.view.live.tickets.check(ticket)
    return _Reader(found.user_id, found.stream_ends_at, found)


async def _authenticated(call: Call, values: Values, authenticate: Authenticate) -> _Reader:
    user_id, who = await learner_asked_for(call, values, authenticate)
    if who.expires_at <= time.time():  # within the leeway; the stream would end at once
        raise UnauthorizedError("the token has expired")
    return _Reader(user_id, who.expires_at)


def _check_room(hub: Hub, reader: _Reader) -> None:
    try:
        hub.check_room(reader.user_id)
    except TooManyStreamsError as error:
        detail = f"This learner has {STREAMS_OF_A_LEARNER} open streams already."
        raise HTTPException(429, detail, _RETRY_AFTER) from error
    except NoRoomError as error:
        detail = "There is no room for another stream just now; try again soon."
        raise HTTPException(503, detail, _RETRY_AFTER) from error


ENDPOINTS: Final = (
    Endpoint(
        "/api/progress/events",
        events,
        tag="progress",
        answer={"text/event-stream": {"schema": {"type": "string"}}},
        parameters=(USER_ID, TICKET, LAST_EVENT_ID),
        needs_token=True,
        kept=False,
        about={
            "description": "Server-Sent Events: `achievement`, `level`, `progress` and `reset`, "
            "each with JSON as its data. `Accept-Language` decides the language of achievements."
        },
        statuses=(429,),
    ),
    Endpoint(
        "/api/progress/events/ticket",
        events_ticket,
        tag="progress",
        answer=TicketAnswer,
        parameters=(USER_ID,),
        needs_token=True,
        kept=False,
    ),
)
