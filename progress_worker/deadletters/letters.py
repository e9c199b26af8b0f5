"""A dead letter as its topic holds it, and a selection of dead letters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiokafka import ConsumerRecord

from progress_worker.events.cloudevents import Headers
from progress_worker.telemetry.ages import age

_PREFIX: Final = "dlq."
UNKNOWN: Final = "unknown"


class Origin(NamedTuple):
    """The place of the record that was dead-lettered."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the dead-letter topic. Key, value and headers are those of the original.

    `partition` and `offset` are its place on the dead-letter topic. `sent_at` is when the original
    was sent, and `worker_version` is the release that refused it. A record that somebody else wrote
    may have no `origin` and no times, and `unknown` as its reason.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    message: str
    origin: Origin | None
    failed_at: dt.datetime | None
    sent_at: dt.datetime | None
    worker_version: str

    @property
    def place(self) -> str:
        """The place in the form that `show` takes, `partition:offset`."""
        return f"{self.partition}:{self.offset}"


def read_letter(record: ConsumerRecord) -> Letter:
    """The dead letter in a record."""
    about = {
        name.removeprefix(_PREFIX): (content or b"").decode(errors="replace")
        for name, content in record.headers
        if name.startswith(_PREFIX)
    }
    return Letter(
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=[header for header in record.headers if not header[0].startswith(_PREFIX)],
        reason=about.get("reason", UNKNOWN),
        message=about.get("message", ""),
        origin=_origin(about),
        failed_at=_time(about.get("failed-at", "")),
        sent_at=_from_milliseconds(about.get("original-timestamp", "")),
        worker_version=about.get("worker-version", UNKNOWN),
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects the dead letters that meet every condition that is set.

    `since` and `until` are compared with the time of dead-lettering. `until` is exclusive.
    `partition` is that of the original topic.
    """

    reasons: Collection[str] = ()
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    partition: int | None = None
    key: bytes | None = None

    def holds(self, letter: Letter) -> bool:
        """Whether the letter is selected. A letter without the value of a condition is not."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and self._in_time(letter.failed_at)
            and (self.partition is None or _partition(letter) == self.partition)
            and (self.key is None or letter.key == self.key)
        )

    def _in_time(self, failed_at: dt.datetime | None) -> bool:
        if failed_at is None:
            return self.since is None and self.until is None
        return (self.since is None or failed_at >= self.since) and (
            self.until is None or failed_at < self.until
        )


def _partition(letter: Letter) -> int | None:
    return letter.origin.partition if letter.origin else None


def _origin(about: dict[str, str]) -> Origin | None:
    try:
        partition, offset = int(about["original-partition"]), int(about["original-offset"])
        return Origin(about["original-topic"], partition, offset)
    except (KeyError, ValueError):
        return None


def _time(text: str) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _from_milliseconds(text: str) -> dt.datetime | None:
    try:
        moment = int(text) / 1000
    except (ValueError, OverflowError):
        return None
    known = age(moment, dt.datetime.now(dt.UTC).timestamp()) is not None
    return dt.datetime.fromtimestamp(moment, dt.UTC) if known else None
