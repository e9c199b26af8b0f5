"""Where an export waits for its client: in memory and compressed, so that it needs no database."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from progress_worker.errors import TransientError

#: Some 2,000,000 completions, of however many exports.
_MOST_BYTES: Final = 64 * 1024 * 1024
#: The fastest of zlib's levels; it makes an export an eighth of its size.
_LEVEL: Final = 1
_PORTION_BYTES: Final = 256 * 1024


class Spools:
    """The exports of a process that wait; they take `most_bytes` of memory together at most."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._free_bytes = most_bytes

    @contextmanager
    def open(self) -> Iterator[Spool]:
        """A new one; its memory is given back in the end."""
        spool = Spool(self)
        try:
            yield spool
        finally:
            self._free_bytes += spool.size

    def take(self, size: int) -> None:
        """Count this many bytes more. Raises TransientError where there is no room for them."""
        if size > self._free_bytes:
            raise TransientError("Too many exports wait for clients that read slowly.")
        self._free_bytes -= size


class Spool:
    """A text that is written once and then read once."""

    def __init__(self, spools: Spools) -> None:
        self.size = 0
        self._spools = spools
        self._compressor = zlib.compressobj(_LEVEL)
        self._pieces: list[bytes] = []

    def write(self, text: str) -> None:
        """Append this. Raises TransientError where there is no room for it."""
        self._keep(self._compressor.compress(text.encode()))

    def finish(self) -> None:
        """Write no more. Raises TransientError where there is no room for what is left."""
        self._keep(self._compressor.flush())

    def portions(self) -> Iterator[bytes]:
        """All of a finished text, in UTF-8."""
        decompressor = zlib.decompressobj()
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
