"""A zip file that is written as a stream: nothing of it is kept, and no file's size is known."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Everybody may read the files.
_MODE: Final = 0o644 << 16


class Archive:
    """Adds one file after the other."""

    def __init__(self, now: dt.datetime) -> None:
        """`now` is the time that the files have."""
        self._time = now.timetuple()[:6]
        self._written = _Written()
        self._zip = ZipFile(self._written, "w")

    async def add(
        self, name: str, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        """Write a file. What comes of it is a piece of the archive."""
        info = ZipInfo(name, self._time)
        info.compress_type, info.external_attr = ZIP_DEFLATED, _MODE
        async with aclosing(chunks):
            with self._zip.open(info, "w") as file:
                async for chunk in chunks:
                    file.write(chunk)
                    yield self._written.take()
        yield self._written.take()

    def end(self) -> bytes:
        """The end of the archive, with the list of its files."""
        self._zip.close()
        return self._written.take()


class _Written(io.RawIOBase):
    """What the archive wrote since it was taken last; it cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: ReadableBuffer) -> int:
        content = bytes(piece)
        self._pieces.append(content)
        return len(content)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
