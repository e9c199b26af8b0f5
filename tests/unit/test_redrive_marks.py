"""Marks of re-driven dead letters survive being committed and read again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from progress_worker.deadletters.marks import Marks

OFFSETS = st.lists(st.integers(0, 60))


@given(OFFSETS, OFFSETS)
def test_just_what_was_added_is_marked_across_commits(before: list[int], after: list[int]) -> None:
    first = Marks()
    for offset in before:
        first.add(offset)
    marks = Marks(first.next_offset, first.metadata)
    for offset in after:
        marks.add(offset)
    added = {*before, *after}
    assert {offset for offset in range(70) if offset in marks} == added
    assert marks.next_offset == next(n for n in range(70) if n not in added)


def test_ranges_are_short() -> None:
    marks = Marks()
    for offset in (0, 1, 3, 7, 8, 9):
        marks.add(offset)
    assert (marks.next_offset, marks.metadata) == (2, "3,7-9")


def test_what_does_not_fit_is_forgotten_from_the_end() -> None:
    marks = Marks()
    for offset in range(1, 4_000, 2):
        marks.add(offset)
    kept = Marks(marks.next_offset, marks.metadata)
    assert len(marks.metadata) <= 4_000
    assert 1 in kept
    assert 3_999 not in kept


def test_what_kafka_deleted_needs_no_mark() -> None:
    marks = Marks()
    for offset in (3, 7, 8):
        marks.add(offset)
    marks.skip_to(7)
    assert (marks.next_offset, marks.metadata) == (9, "")


def test_foreign_metadata_counts_as_none() -> None:
    assert Marks(3, "hello").metadata == ""
