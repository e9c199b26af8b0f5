"""A client of the stream of events, as a browser's EventSource behaves, on a plain socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

#: How long anything may take on a busy machine.
PATIENCE_SECONDS = 20.0


class Said(NamedTuple):
    """One event."""

    kind: str
    id: str
    data: dict[str, Any]


@dataclass
class Listener:
    """One open stream. `comments` counts heartbeats; `retry` is what the server asked for."""

    connection: socket.socket
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    retry: int | None = None
    comments: int = 0
    complete: bool = False
    _raw: bytes = b""
    _text: str = ""

    def next(self, patience: float = PATIENCE_SECONDS) -> Said:
        """The next event. Raises TimeoutError if none comes, and EOFError at the end."""
        deadline = time.monotonic() + patience
        while True:
            while "\n\n" in self._text:
                block, _, self._text = self._text.partition("\n\n")
                if said := self._event(block):
                    return said
            self._receive(deadline)

    def until(self, kind: str) -> list[Said]:
        """The events up to the next one of this kind, and that one."""
        found = [self.next()]
        while found[-1].kind != kind:
            found.append(self.next())
        return found

    def rest(self, patience: float = PATIENCE_SECONDS) -> list[Said]:
        """All events until the stream ends."""
        found = []
        try:
            while True:
                found.append(self.next(patience))
        except EOFError:
            return found

    def silence(self, seconds: float) -> None:
        """Nothing but comments may come for so long."""
        try:
            said = self.next(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"an event that nobody expected: {said}")

    def read_head(self) -> None:
        """Read the status and the headers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b"\r\n\r\n" not in self._raw:
            self._more(deadline)
        head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        for line in lines:
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        self._chunks()

    def _event(self, block: str) -> Said | None:
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        if "retry" in fields:
            self.retry = int(fields["retry"])
        self.comments += "" in fields
        if "event" not in fields:
            return None
        return Said(fields["event"], fields["id"], json.loads(fields["data"]))

    def _receive(self, deadline: float) -> None:
        if self.complete:
            raise EOFError
        self._more(deadline)
        self._chunks()

    def _more(self, deadline: float) -> None:
        self.connection.settimeout(max(0.001, deadline - time.monotonic()))
        data = self.connection.recv(65_536)
        if not data:
            raise ConnectionResetError("the stream was cut off")
        self._raw += data

    def _chunks(self) -> None:
        """Take the whole chunks of the chunked answer out of the raw bytes."""
        while b"\r\n" in self._raw:
            size, _, rest = self._raw.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            self._text += rest[:length].decode()
            self._raw = rest[length + 2 :]
            if length == 0:
                self.complete = True
                return


@contextmanager
def listening(
    address: tuple[str, int],
    headers: dict[str, str],
    last_event_id: str | None = None,
    *,
    query: Mapping[str, str] | None = None,
    buffer: int | None = None,
) -> Iterator[Listener]:
    """Open a stream that must be opened. `buffer` is what the kernel takes for the client."""
    path = "/api/progress/events" + (f"?{urlencode(query)}" if query else "")
    sent = {"Host": "view.test", **headers}
    if last_event_id is not None:
        sent["Last-Event-ID"] = last_event_id
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with socket.socket() as connection:
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(address)
        connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        listener = Listener(connection)
        listener.read_head()
        assert listener.status == 200, listener
        yield listener
