"""Counts the rounds, faults and events of the fault tests that were reconciled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.harness.traffic import Traffic

#: The name of the property that holds the entries in a test's report.
PROPERTY = "fault survived"
NOTE = "noted"

Properties = Iterable[tuple[str, object]]


@dataclass(frozen=True)
class Ledger:
    """Enters rounds into their test's report, which is passed on to the main process."""

    record: Callable[[str, object], None]

    def add(self, name: str, traffic: Traffic, faults: int) -> None:
        """Enter one round that ended without a difference."""
        self.record(PROPERTY, [name, faults, len(traffic.sent), len(traffic.granted), traffic.lost])

    def note(self, sentence: str) -> None:
        """Enter something that was measured on the way."""
        self.record(NOTE, sentence)


@dataclass
class _Sum:
    rounds: int = 0
    faults: int = 0
    events: int = 0
    excuses: int = 0
    withdrawn: int = 0

    def add(self, faults: int, events: int, excuses: int, withdrawn: int) -> None:
        self.rounds += 1
        self.faults += faults
        self.events += events
        self.excuses += excuses
        self.withdrawn += withdrawn

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.faults} faults, {self.events:,} events, "
            f"{self.excuses:,} excuses, {self.withdrawn:,} unlocks withdrawn"
        )


def account(reports: Iterable[Properties]) -> list[str]:
    """A line for each name in the tests' reports, and their sum; empty without entries."""
    sums: dict[str, _Sum] = {}
    whole = _Sum()
    notes: list[str] = []
    for name, value in (pair for properties in reports for pair in properties):
        if name == PROPERTY and isinstance(value, list):
            fault, *counts = value
            sums.setdefault(fault, _Sum()).add(*counts)
            whole.add(*counts)
        elif name == NOTE:
            notes.append(str(value))
    if not sums:
        return []
    lines = [f"{fault}: {found}" for fault, found in sorted(sums.items())]
    return [*lines, f"in all: {whole}; lost 0, doubled 0", *notes]
