"""Commands that write files generated from the code: `reference`, `schemas`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from progress_worker.errors import FatalError

publishing_cli = typer.Typer()


@publishing_cli.command()
def reference(directory: Annotated[Path, typer.Argument()] = Path("docs")) -> None:
    """Write the reference pages: settings.md, metrics.md, rule-book-reference.md."""
    from progress_worker.published.reference import write_reference  # noqa: PLC0415

    _write(directory, write_reference)


@publishing_cli.command()
def schemas(directory: Annotated[Path, typer.Argument()] = Path("schemas")) -> None:
    """Write the published contracts: JSON Schemas, asyncapi.yaml, openapi.json."""
    from progress_worker.http.application import write_openapi  # noqa: PLC0415
    from progress_worker.published.schemas import write_schemas  # noqa: PLC0415

    _write(directory, write_schemas, write_openapi)


def _write(directory: Path, *writers: Callable[[Path], None]) -> None:
    try:
        for write in writers:
            write(directory)
    except OSError as error:
        raise FatalError(
            f"{error.filename or directory} cannot be written: {error.strerror}."
        ) from error
    typer.echo(f"Wrote {directory}.")
