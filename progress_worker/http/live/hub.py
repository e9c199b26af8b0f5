"""The streams of this process, fed by one look at all watched learners a second.

Everything that a client has missed is in the tables, so no process remembers anything of a client.
A client that reconnects to any process gets what came after the id that it has seen last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Final

import structlog

from progress_worker.errors import TransientError
from progress_worker.http.languages import negotiate
from progress_worker.http.live.events import (
    NOTHING_YET,
    Event,
    after,
    events_of,
    reset,
    still_holds,
)
from progress_worker.http.live.stream import Stream
from progress_worker.http.metrics import ViewMetrics
from progress_worker.storage.read.changes import ANY_VERSION, Change, ChangeReads, Watched
from progress_worker.telemetry.outages import Outage

#: Everybody is looked at this often.
_LOOK_SECONDS: Final = 1.0
#: New clients wait this long for others, with whom they share a look.
_GATHER_SECONDS: Final = 0.05
#: A learner's streams: a phone, a tablet, a few browser tabs.
STREAMS_OF_A_LEARNER: Final = 5

_log = structlog.get_logger()


class TooManyStreamsError(Exception):
    """The learner has as many streams as one may have."""


class NoRoomError(Exception):
    """The process has as many streams as it may have, or it is about to stop."""


class Hub:
    """Opens streams and feeds them. A task runs as long as there are any.

    While Postgres is away the streams stay open and get what they have missed when it is back.
    """

    def __init__(self, reads: ChangeReads, metrics: ViewMetrics, most: int) -> None:
        self._reads = reads
        self._metrics = metrics
        self._most = most
        self._streams: dict[str, list[Stream]] = {}
        self._count = 0
        self._stopping = False
        self._joining = asyncio.Event()
        self._feeding: asyncio.Task[None] | None = None
        self._outage = Outage("view_streams_unavailable")

    def check_room(self, user_id: str) -> None:
        """Raises TooManyStreamsError or NoRoomError if the learner cannot have one more."""
        if self._stopping or self._count >= self._most:
            raise NoRoomError
        if len(self._streams.get(user_id, ())) >= STREAMS_OF_A_LEARNER:
            raise TooManyStreamsError

    def open(self, stream: Stream) -> None:
        """Feed a stream until it is closed. Raises what `check_room` raises."""
        self.check_room(stream.user_id)
        self._streams.setdefault(stream.user_id, []).append(stream)
        self._count += 1
        self._metrics.streams.set(self._count)
        self._joining.set()
        if self._feeding is None:
            self._feeding = asyncio.create_task(self._feed())

    def close(self, stream: Stream) -> None:
        """Forget a stream that has ended or that its client has left."""
        stream.end("left")
        streams = self._streams[stream.user_id]
        streams.remove(stream)
        if not streams:
            del self._streams[stream.user_id]
        self._count -= 1
        self._metrics.streams.set(self._count)
        self._metrics.stream_ends.labels(stream.ended).inc()

    def stop(self) -> None:
        """End all streams at once and open no other; their clients reconnect elsewhere."""
        self._stopping = True
        self._end_all("stopping")

    async def _feed(self) -> None:
        """Look as long as there are streams. If that fails, end them: no client waits for ever."""
        looked_at = float("-inf")
        try:
            while self._streams:
                new_only = await self._pause(until=looked_at + _LOOK_SECONDS)
                self._joining.clear()
                if not new_only:
                    looked_at = asyncio.get_running_loop().time()
                try:
                    await self._look(new_only=new_only)
                except TransientError as error:
                    self._outage.met(str(error))
        except Exception:
            _log.exception("view_streams_failed")
            self._end_all("failed")
        finally:
            self._feeding = None

    async def _pause(self, until: float) -> bool:
        """Wait for the next look. Whether it is one for new clients only."""
        if asyncio.get_running_loop().time() >= until:
            return False
        try:
            async with asyncio.timeout_at(until):
                await self._joining.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(_GATHER_SECONDS)
        return True

    async def _look(self, *, new_only: bool) -> None:
        """Ask for what is new, and hand it to the streams."""
        groups = list(_new_streams(self._streams.values()))
        if not new_only:
            groups += _fed_streams(self._streams.values())
        if not groups:
            return
        began = time.perf_counter()
        found = await self._reads.changes([_watched(group) for group in groups])
        self._metrics.stream_look_seconds.observe(time.perf_counter() - began)
        for place, change in found.changed.items():
            self._changed(groups[place], change)
        for place in found.absent:
            self._absent(groups[place])
        if found.unreadable:
            self._outage.met(found.unreadable)
        else:
            self._outage.over()

    def _changed(self, group: list[Stream], change: Change) -> None:
        made: dict[str, list[Event]] = {}
        for stream in group:
            language = negotiate(stream.accepted_languages, change.book.languages)
            events = made.get(language) or made.setdefault(language, events_of(change, language))
            if not stream.joined and stream.asked_from is None:
                self._send(stream, events[-1:])
            elif still_holds(stream.position, change.version, change.first_version):
                self._send(stream, list(after(stream.position, events)))
            else:
                self._send(stream, [reset(change.version)])

    def _absent(self, group: list[Stream]) -> None:
        """Nothing is known of the learner, or no longer."""
        for stream in group:
            if not still_holds(stream.position, 0, None):
                self._send(stream, [reset(0)])
            elif not stream.joined:
                self._send(stream, [NOTHING_YET])

    def _send(self, stream: Stream, events: list[Event]) -> None:
        stream.joined = True
        if not events:
            return
        stream.position = events[-1].position
        stream.put(b"".join([event.text for event in events]))
        for event in events:
            self._metrics.stream_events.labels(event.kind).inc()

    def _end_all(self, reason: str) -> None:
        for streams in self._streams.values():
            for stream in streams:
                stream.end(reason)


def _new_streams(streams: Iterable[list[Stream]]) -> Iterator[list[Stream]]:
    """Each alone: it may have missed more than the others of its learner."""
    return ([stream] for group in streams for stream in group if not stream.joined)


def _fed_streams(streams: Iterable[list[Stream]]) -> Iterator[list[Stream]]:
    """Learner by learner."""
    for group in streams:
        if fed := [stream for stream in group if stream.joined]:
            yield fed


def _watched(group: list[Stream]) -> Watched:
    stream = group[0]
    if stream.joined:
        known = min(each.position.known for each in group)
        return Watched(stream.user_id, known, known)
    asked_from = stream.asked_from
    return Watched(stream.user_id, ANY_VERSION, asked_from and asked_from.known)
