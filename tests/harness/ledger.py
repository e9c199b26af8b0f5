"""The account of a run of faults: how many rounds, faults and events, all of them reconciled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.harness.traffic import Traffic

#: Under which name a test's report carries its entries.
PROPERTY = "fault survived"
NOTE = "noted"

Properties = Iterable[tuple[str, object]]


@dataclass(frozen=True)
class Ledger:
    """Enters rounds into the report of their test, which leaves the process that ran it."""

    record: Callable[[str, object], None]

    def add(self, name: str, traffic: Traffic, faults: int) -> None:
        """One round that came out without a difference."""
        self.record(PROPERTY, [name, faults, len(traffic.sent)])

    def note(self, sentence: str) -> None:
        """Something that was measured on the way."""
        self.record(NOTE, sentence)


@dataclass
class _Sum:
    rounds: int = 0
    faults: int = 0
    events: int = 0

    def add(self, faults: int, events: int) -> None:
        self.rounds += 1
        self.faults += faults
        self.events += events

    def __str__(self) -> str:
        return f"{self.rounds} rounds, {self.faults} faults, {self.events:,} events"


def account(reports: Iterable[Properties]) -> list[str]:
    """A line for each name that tests' reports carry, and their sum; nothing for no entries."""
    sums: dict[str, _Sum] = {}
    whole = _Sum()
    notes: list[str] = []
    for name, value in (pair for properties in reports for pair in properties):
        if name == PROPERTY and isinstance(value, list):
            fault, faults, events = value
            sums.setdefault(fault, _Sum()).add(faults, events)
            whole.add(faults, events)
        elif name == NOTE:
            notes.append(str(value))
    if not sums:
        return []
    lines = [f"{fault}: {found}" for fault, found in sorted(sums.items())]
    return [*lines, f"in all: {whole}; lost 0, doubled 0", *notes]
