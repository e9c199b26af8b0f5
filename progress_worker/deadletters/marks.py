"""Marks the dead letters of a partition that were sent again, in the offsets of a consumer group.

All records before the committed offset were sent. The commit's metadata lists those after it as
ranges such as `7,12-40`. So a redrive of one reason leaves the others for later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Kafka refuses more than 4,096 bytes (`offset.metadata.max.bytes`).
_METADATA_BYTES: Final = 4_000


class Marks:
    """The marks of one partition."""

    def __init__(self, next_offset: int = 0, metadata: str = "") -> None:
        """Read committed marks. Metadata that somebody else wrote counts as empty."""
        self.next_offset = next_offset
        self._done = set(_parse(metadata))
        self._advance()

    def __contains__(self, offset: int) -> bool:
        return offset < self.next_offset or offset in self._done

    def add(self, offset: int) -> None:
        """Mark a record."""
        if offset not in self:
            self._done.add(offset)
            self._advance()

    def pass_over(self, first: int, end: int) -> None:
        """Mark the offsets from `first` to `end` - 1, which hold no dead letter."""
        if first <= self.next_offset:
            self.skip_to(end)
        else:
            self._done.update(range(first, end))

    def skip_to(self, first_offset: int) -> None:
        """Mark everything before this offset, because Kafka deleted it."""
        if first_offset > self.next_offset:
            self.next_offset = first_offset
            self._done = {offset for offset in self._done if offset >= first_offset}
            self._advance()

    @property
    def metadata(self) -> str:
        """The ranges after the committed offset.

        As many as fit. The rest is sent again, which does no harm.
        """
        text = ""
        for first, last in _ranges(self._done):
            longer = f"{text},{first}" if text else str(first)
            longer += f"-{last}" if last > first else ""
            if len(longer) > _METADATA_BYTES:
                break
            text = longer
        return text

    def _advance(self) -> None:
        while self.next_offset in self._done:
            self._done.remove(self.next_offset)
            self.next_offset += 1


def _ranges(offsets: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for offset in sorted(offsets):
        if ranges and offset == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], offset)
        else:
            ranges.append((offset, offset))
    return ranges


def _parse(metadata: str) -> Iterable[int]:
    offsets: set[int] = set()
    try:
        for part in filter(None, metadata.split(",")):
            first, _, last = part.partition("-")
            offsets.update(range(int(first), int(last or first) + 1))
    except ValueError:
        return ()
    return offsets
