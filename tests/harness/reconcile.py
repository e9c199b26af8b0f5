"""Compares what was sent with every result, learner by learner, byte by byte."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

from progress_worker.domain.excuses import Excuse
from progress_worker.generator.generator import GeneratedRecord
from tests.harness.any_order import as_it_may_have_come
from tests.harness.chains import Row, stored_losses, stored_unlocks
from tests.harness.outputs import COLUMNS, LOST, Found, Outputs, PublishedLetter
from tests.harness.published import told_of
from tests.harness.truth import Rows, Truth, expected_truth


@dataclass(frozen=True)
class Expected:
    """Everything that Postgres and Kafka must hold once all records are processed."""

    truth: Truth
    letters: Counter[PublishedLetter]
    topic: str

    @property
    def rows(self) -> Rows:
        """The rows of every table."""
        chains = self.truth.chains
        unlocks = {"achievement_unlock": stored_unlocks(chains.values())}
        return defaultdict(list, self.truth.rows | unlocks | {LOST: stored_losses(chains)})


def expect(
    sent: Sequence[GeneratedRecord],
    *,
    catalogue: str,
    topic: str,
    excuses: Sequence[Excuse] = (),
) -> Expected:
    """What must exist; `sent` is in the order in which each learner's records went to `topic`.

    `catalogue` is the YAML of the rule book.
    """
    completions = [record.completion for record in sent if record.completion is not None]
    truth = expected_truth(completions, catalogue, excuses)
    letters = Counter(
        PublishedLetter(record.reason.value, record.key, record.value, tuple(record.headers))
        for record in sent
        if record.reason is not None
    )
    return Expected(truth, letters, topic)


def differences(expected: Expected, found: Outputs) -> list[str]:
    """A sentence for each difference.

    Rows must exist exactly once, announcements and dead letters at least once.
    """
    rows, told = expected.rows, told_of(expected.truth.chains.values())
    return [
        *(s for table in COLUMNS for s in _rows(table, rows[table], found.rows[table])),
        *_records("achievement-unlocked", told.unlocks, set(found.unlocks)),
        *_records("achievement-changes", told.losses, set(found.losses)),
        *_letters(expected, found.letters),
    ]


def reconcile(
    sent: Sequence[GeneratedRecord],
    found: Outputs,
    *,
    catalogue: str,
    topic: str,
    excuses: Sequence[Excuse] = (),
    unordered: frozenset[str] = frozenset(),
) -> list[str]:
    """The differences between what must follow from `sent` and `excuses` and what was found.

    The events of `unordered` learners may have arrived in any order. An excuse may have arrived
    before, between or after its learner's events, but after the excuses before it.
    """
    expected = expect(sent, catalogue=catalogue, topic=topic, excuses=excuses)
    events = [record.completion for record in sent if record.completion is not None]
    truth = as_it_may_have_come(expected.truth, found, events, unordered, catalogue, excuses)
    return differences(replace(expected, truth=truth), found)


def _rows(table: str, expected: Iterable[Row], found: Iterable[Row]) -> Iterator[str]:
    wanted, there = Counter(expected), Counter(found)
    for row in (wanted - there).elements():
        yield f"{table} lacks {row}"
    for row in (there - wanted).elements():
        yield f"{table} has {row}, which should not be there"


def _records(topic: str, wanted: Set[Row], there: Set[Row]) -> Iterator[str]:
    for record in wanted - there:
        yield f"{topic} lacks {record}"
    for record in there - wanted:
        yield f"{topic} has {record}, which has no reason"


def _letters(expected: Expected, found: Iterable[Found]) -> Iterator[str]:
    wanted = expected.letters
    # A record that was dead-lettered twice has one origin.
    there = Counter(letter for letter, _ in set(found))
    for letter in (wanted - there).elements():
        yield f"the dead letters lack a record: {_described(letter)}"
    for letter in there.keys() - wanted.keys():
        yield f"the dead letters have a record that was not sent broken: {_described(letter)}"
    for origin in {origin for _, origin in found if origin[0] != expected.topic}:
        yield f"a dead letter says that it comes from {origin}"


def _described(letter: PublishedLetter) -> str:
    return f"{letter.reason} {letter.key!r} {(letter.value or b'')[:80]!r}"
