"""The README of the zip file: what is what, in plain English."""

from __future__ import annotations

import textwrap
from typing import Final

from progress_worker.http.api.responses_of_export import SCHEMA_FILE, SCHEMA_ID
from progress_worker.http.export.exporting import Exporting
from progress_worker.http.export.parts import PARTS
from progress_worker.http.export.spreadsheet import UNDO

_WIDTH: Final = 88
_LEFT_OUT: Final = (
    "counters, which the platform keeps to know how far each achievement is: they are counted "
    "from the completions, and export.json has how far each achievement is under `achievements`",
    "when warnings about your streak are due: it follows from your days",
    "messages about you that wait to be sent: they say what is here, and are gone in seconds",
    "hidden achievements that you have not unlocked",
)


def readme(export: Exporting) -> str:
    """The text of the file."""
    reader = export.reader
    files = {
        "export.json": "everything, for programs. The schema is "
        f"{SCHEMA_ID} ({SCHEMA_FILE} in the platform's documentation)",
        **{f"{part.name}.csv": part.about for part in PARTS},
        "skill_levels.csv": "your level in every topic",
        "xapi.json": "the completed exercises as statements of xAPI 1.0.3, for a learning record "
        "store; without those that were taken back",
    }
    kept_from = export.view.state.kept_from
    paragraphs = [
        f"Everything that is stored about the learner {reader.user_id}, as of "
        f"{reader.now.isoformat(timespec='seconds')}. All files show the same moment.",
        *(f"* {name}: {about}." for name, about in files.items()),
        "Times are in UTC or say their offset. A day is a day of your own clock.",
        *(
            ()
            if kept_from is None
            else (
                f"Completed exercises before {kept_from:%Y-%m-%d} may be deleted. Sums, days and "
                "levels still count them.",
            )
        ),
        f"The CSV files are for spreadsheets. {UNDO}",
        "Left out:",
        *(f"* {each}." for each in _LEFT_OUT),
    ]
    return (
        "\n\n".join(
            textwrap.fill(text, _WIDTH, subsequent_indent=_indent(text)) for text in paragraphs
        )
        + "\n"
    )


def _indent(text: str) -> str:
    return "  " if text.startswith("* ") else ""
