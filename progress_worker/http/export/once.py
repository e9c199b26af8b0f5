"""One export without the view: for the command."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from contextlib import aclosing

from progress_worker.domain.rulebook import RuleBook
from progress_worker.errors import TransientError
from progress_worker.http.computing import Computing
from progress_worker.http.export.exporting import Reader, exporting
from progress_worker.http.export.formats import FORMATS, Format
from progress_worker.http.rarity import ViewRarity
from progress_worker.http.reads import reads_of
from progress_worker.settings.view import ViewSettings
from progress_worker.storage.read.export import ExportReads


async def export_once(
    settings: ViewSettings,
    book: RuleBook,
    user_id: str,
    wanted: Format,
    write: Callable[[bytes], object],
    seen: Callable[[int], object],
) -> bool:
    """Write the export as the view writes it, in the rule book's language.

    `seen` is called with the number of rows that were read. Returns whether anything is stored of
    the learner. Raises TransientError when Postgres is away, or at the time limit of an export.
    """
    reads, computing = reads_of(settings, book), Computing()
    now = dt.datetime.now(dt.UTC)
    try:
        rarity = await ViewRarity(reads.short).current()
        reader = Reader(user_id, now, settings.xapi_home, rarity=rarity)
        async with (
            asyncio.timeout(settings.view_export_timeout_seconds),
            ExportReads(reads.long, reads.books).open(user_id) as source,
        ):
            export = await exporting(reader, source, computing, seen)
            async with aclosing(FORMATS[wanted].write(export)) as chunks:
                async for chunk in chunks:
                    write(chunk)
            return export.stamp.version > 0
    except TimeoutError as error:
        raise TransientError("The time limit of an export is over.") from error
    finally:
        computing.close()
        await reads.close()
