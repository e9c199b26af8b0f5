"""Writes text into a CSV file so that no spreadsheet takes it, or a part of it, for a formula."""

from __future__ import annotations

import re
from typing import Final

#: What may end a cell. It depends on the machine's region and the user's settings.
_SEPARATORS: Final = ",;|\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
#: What may begin a formula, also after trimming or in another width.
_FORMULA_STARTS: Final = "=+\\-@\t\r＝＋－＠﹦﹢﹣﹫"
#: What a spreadsheet may drop before a formula: blanks, quotes, characters without a width.
_DROPPED: Final = (
    rf"(?:[^\S{_SEPARATORS}]|[\"\x00-\x08\x0e-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff])"
)

_CELL_START: Final = rf"(\A|\r\n|[{_SEPARATORS}])({_DROPPED}*)"
_GUARDED: Final = re.compile(rf"{_CELL_START}(?='*[{_FORMULA_STARTS}]|\A\n)")

#: Tells readers of the file how to get the stored text back.
UNDO: Final = (
    "A spreadsheet may take text for a formula where `=`, `+`, `-`, `@`, one of their full-width "
    "forms, a tab or a carriage return stands at the beginning of the text or after a comma, "
    "semicolon, vertical bar, tab or line break, with or without blanks and quotes in between. "
    "A line feed counts at the beginning only. In front of each of them the text gets one "
    "apostrophe, also where it has some already. To get the stored text back, take one apostrophe "
    "away at each of these places. Numbers and times are never changed."
)


def text_cell(value: str) -> str:
    """The text with an apostrophe in front of all that could be a formula."""
    return _GUARDED.sub(r"\1\2'", value)
