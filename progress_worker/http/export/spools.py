"""Keeps an export for its client, in memory and in gzip, so that it needs no database."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from progress_worker.errors import TransientError

#: Some 2,000,000 completions as JSON, of all exports together.
_MOST_BYTES: Final = 64 * 1024 * 1024
#: The fastest level of zlib. It compresses an export to an eighth of its size.
_LEVEL: Final = 1
#: zlib's number for gzip. A client that accepts gzip gets the pieces as they are.
_GZIP: Final = 16 + zlib.MAX_WBITS
_PORTION_BYTES: Final = 256 * 1024


class Spools:
    """The waiting exports of a process. Together they take at most `most_bytes` of memory."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._free_bytes = most_bytes

    @contextmanager
    def open(self, *, is_packed: bool = False) -> Iterator[Spool]:
        """A new spool. Its memory is free again at the end.

        What `is_packed` is kept as it is, since compressing it again would gain nothing.
        """
        spool = _PackedSpool(self) if is_packed else Spool(self)
        try:
            yield spool
        finally:
            self._free_bytes += spool.size

    def take(self, size: int) -> None:
        """Count this many bytes more. Raises TransientError if there is no room for them."""
        if size > self._free_bytes:
            raise TransientError("Too many exports wait for clients that read slowly.")
        self._free_bytes -= size


class Spool:
    """Bytes that are written once and then read once; kept in gzip."""

    def __init__(self, spools: Spools) -> None:
        self.size = 0
        self._spools = spools
        self._compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)
        self._pieces: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        """Append this. Raises TransientError if there is no room for it."""
        self._keep(self._compressor.compress(chunk))

    def finish(self) -> None:
        """Finish writing. Raises TransientError if there is no room for the rest."""
        self._keep(self._compressor.flush())

    def kept(self) -> Iterator[bytes]:
        """All that was finished, as it is kept."""
        return iter(self._pieces)

    def portions(self) -> Iterator[bytes]:
        """All that was finished, as it was written."""
        decompressor = zlib.decompressobj(_GZIP)
        for piece in self._pieces:
            rest = piece
            while rest:
                yield decompressor.decompress(rest, _PORTION_BYTES)
                rest = decompressor.unconsumed_tail
        yield decompressor.flush()

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._spools.take(len(piece))
            self.size += len(piece)
            self._pieces.append(piece)


class _PackedSpool(Spool):
    """Keeps what is written as it is."""

    def write(self, chunk: bytes) -> None:
        self._keep(chunk)

    def finish(self) -> None:
        """Everything is kept already."""

    def portions(self) -> Iterator[bytes]:
        return self.kept()
