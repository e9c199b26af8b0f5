"""A language that is written from the right to the left, with six forms of a number.

Its texts are the English ones in Arabic letters, so a Latin letter on its page is a text that no
catalogue holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_letters
from typing import Final

from progress_worker.http.page.language import Language, Text
from progress_worker.http.page.languages import shipped_languages

_LETTERS: Final = str.maketrans(ascii_letters, "ابتثجحخدذرزسشصضطظعغفقكلمنه" * 2)
#: The categories of Arabic, and a letter that marks the form.
_FORMS: Final = {"zero": "و", "one": "ي", "two": "ى", "few": "ة", "many": "ء", "other": ""}


def arabic() -> Language:
    """The language."""
    texts = shipped_languages().choose("en").texts
    return Language("ar", {key: _translated(key, text) for key, text in texts.items()})


def _translated(key: str, text: Text) -> Text:
    if key == "dates.short_weekday":
        return "ccccc"  # Arabic has no shorter names, but letters.
    if key.startswith("dates."):
        return text
    if isinstance(text, Mapping):
        return {form: _written(text["other"]) + mark for form, mark in _FORMS.items()}
    return _written(text)


def _written(text: str) -> str:
    """In Arabic letters, but for the names of placeholders."""
    return "".join(
        part if part.startswith("{") else part.translate(_LETTERS)
        for part in re.split(r"(\{[^}]*\})", text)
    )
