"""`progress-worker export`: everything about a learner, as a file."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from progress_worker.errors import FatalError


class ExportFormat(StrEnum):
    """What `--format` takes."""

    JSON = "json"
    CSV = "csv"
    XAPI = "xapi"
    ZIP = "zip"


def export(
    user: Annotated[str, typer.Argument(metavar="USER", help="The learner.")],
    wanted: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="json: everything; csv: the completions; xapi: the completions as statements of "
            "xAPI 1.0.3; zip: all of these, and a CSV file for each table.",
        ),
    ] = ExportFormat.JSON,
    output: Annotated[
        Path | None, typer.Option(help="The file to write. Standard output by default.")
    ] = None,
) -> None:
    """Write everything about a learner, from one moment, as the view's export does.

    It needs the view's settings. The file is complete or not there, and only you may read it.
    """
    if output is None and wanted is ExportFormat.ZIP and sys.stdout.isatty():
        raise typer.BadParameter("a zip file is not for a terminal", param_hint="--output")
    try:
        with _written(output) as file:
            is_known = asyncio.run(_export(user, wanted, file))
    except OSError as error:
        where = error.filename or output or "standard output"
        raise FatalError(f"{where} cannot be written: {error.strerror}.") from error
    if not is_known:
        typer.echo(f"Nothing is stored of a learner {user}: the export is empty.", err=True)


async def _export(user: str, wanted: ExportFormat, file: IO[bytes]) -> bool:
    from progress_worker.http.export.once import export_once  # noqa: PLC0415
    from progress_worker.settings.rules import load_rules  # noqa: PLC0415
    from progress_worker.settings.view import load_view_settings  # noqa: PLC0415

    settings = load_view_settings()
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.completed:,} rows")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        return await export_once(
            settings,
            load_rules(settings).book,
            user,
            wanted.value,
            file.write,
            lambda rows: bar.advance(task, rows),
        )


@contextmanager
def _written(output: Path | None) -> Iterator[IO[bytes]]:
    """A file that takes its place, or goes to standard output, once it is complete.

    So a reader of a pipe who is slow keeps no transaction open.
    """
    directory = None if output is None else output.parent
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".export-", delete=False) as file:
        try:
            yield file
            file.flush()
            if output is None:
                file.seek(0)
                shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.buffer.flush()
                Path(file.name).unlink()
            else:
                os.fsync(file.fileno())
                Path(file.name).replace(output)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
