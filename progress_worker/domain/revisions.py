"""Which of two revisions of a fact counts, whatever the order of their arrival."""

from __future__ import annotations


def supersedes(arrival: int, stored: int) -> bool:
    """Whether a revision replaces the stored one: the same or a lower one changes nothing."""
    return arrival > stored
