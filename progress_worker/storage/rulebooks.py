"""Every rule book that was ever active, by version; in memory once it was read.

A learner's row names the rule book by which it is complete. The learner is folded and presented by
that one. If the row names none, a release that knows no rule books saved it last. Then the active
one is used until the walk has derived the learner again.
"""

from __future__ import annotations

from collections.abc import Iterable

from progress_worker.domain.rulebook import RuleBook, read_rule_book
from progress_worker.domain.rulebook_file import RuleBookError
from progress_worker.errors import FatalError


class RuleBooks:
    """The rule books that this process has read."""

    def __init__(self, configured: RuleBook) -> None:
        """`configured` is the process's own, active until the database names a newer one."""
        self.configured = configured
        self.active = configured
        #: Whether the active one is known for certain, so that learners may be saved by it.
        self.settled = False
        #: By version. None, for a learner without a name, stands for the active one.
        self.by_version: dict[int | None, RuleBook] = {None: configured}

    @property
    def waiting(self) -> bool:
        """Whether the configured one is newer than the active one, and not stored yet."""
        return self.configured.version > self.active.version

    def unread(self, versions: Iterable[int | None]) -> set[int]:
        """The versions among these that have not been read yet."""
        return {v for v in versions if v is not None and v not in self.by_version}

    def add(self, version: int, content: str) -> RuleBook:
        """Keep a rule book of the database; the newest one is the active one.

        Raises FatalError where this release cannot read it.
        """
        try:
            book = read_rule_book(content)
        except RuleBookError as error:
            raise FatalError(
                f"This release cannot read rule book {version} of the database, which a newer one "
                f"wrote: update it ({error.sentences[0]})."
            ) from error
        self.by_version[version] = book
        return book

    def activate(self, version: int) -> None:
        """Make a rule book that was read the active one."""
        self.active = self.by_version[None] = self.by_version[version]
