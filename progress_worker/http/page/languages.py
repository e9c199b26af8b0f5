"""The languages that the page speaks, and the choice between them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

from progress_worker.http.languages import negotiate
from progress_worker.http.page.language import Language, read_language

_DEFAULT: Final = "en"


class Languages:
    """Languages with the same texts. The first one stands in for all others."""

    def __init__(self, languages: Iterable[Language]) -> None:
        """Raises ValueError if a language has other texts than the first."""
        self.all = tuple(languages)
        self._by_tag = {language.tag: language for language in self.all}
        self._tags = tuple(self._by_tag)
        for language in self.all:
            if different := self.all[0].texts.keys() ^ language.texts.keys():
                missing = ", ".join(sorted(different))
                raise ValueError(f"not both {self._tags[0]} and {language.tag} have {missing}")

    def choose(self, accepted: str, default: str = "") -> Language:
        """The language that the header `Accept-Language` wants most.

        Without a wish it is `default`, if the page speaks that.
        """
        first = negotiate(default, self._tags)
        others = (tag for tag in self._tags if tag != first)
        return self._by_tag[negotiate(accepted, (first, *others))]


@cache
def shipped_languages() -> Languages:
    """The languages of the package: every file in `texts/`."""
    directory = files("progress_worker.http.page") / "texts"
    found = [read_language(file) for file in directory.iterdir() if file.name.endswith(".yaml")]
    return Languages(sorted(found, key=lambda each: (each.tag != _DEFAULT, each.tag)))
