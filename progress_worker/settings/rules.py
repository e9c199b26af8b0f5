"""The rule book that this deployment's settings ask for."""

from __future__ import annotations

from typing import NamedTuple

from progress_worker.domain.rulebook import RuleBook, built_in_text, read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from progress_worker.errors import ConfigurationError
from progress_worker.settings.complaints import PREFIX, unreadable
from progress_worker.settings.shared import SharedSettings

_VARIABLE = f"{PREFIX}CATALOGUE_FILE"


class ConfiguredRules(NamedTuple):
    """A rule book and its text; without a `file` it is the built-in one."""

    file: str | None
    text: str
    book: RuleBook

    def __str__(self) -> str:
        content = self.book.content
        return (
            f"The rule book {content.name} ({self.file or 'built in'}) is version "
            f"{content.version} with {len(self.book.achievements)} achievements."
        )

    def summary(self) -> dict[str, object]:
        """Describes the rule book for programs, as a JSON object."""
        return {
            "file": self.file,
            "name": self.book.content.name,
            "version": self.book.version,
            "digest": self.book.digest,
            "achievements": len(self.book.achievements),
        }


def load_rules(settings: SharedSettings) -> ConfiguredRules:
    """The rule book of this deployment.

    Raises ConfigurationError that names the variable, with a sentence for every mistake.
    """
    path = settings.catalogue_file
    if path is None:
        text = built_in_text()
        return ConfiguredRules(None, text, read_rule_book(text))
    try:
        text = path.read_text(encoding="utf-8")
        return ConfiguredRules(str(path.absolute()), text, read_rule_book(text))
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(_VARIABLE, path, error) from error
    except RuleBookError as error:
        wrong = [f"{_VARIABLE} is wrong: {path}: {sentence}." for sentence in error.sentences]
        raise ConfigurationError("\n".join(wrong)) from error
