"""The account of a run of faults: how many rounds, faults and events, all of them reconciled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.harness.traffic import Traffic


@dataclass
class Entry:
    """What was done under one name."""

    rounds: int = 0
    faults: int = 0
    events: int = 0


@dataclass
class Ledger:
    """Entries by the name of the fault."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, name: str, traffic: Traffic, faults: int) -> None:
        """One round that came out without a difference."""
        entry = self.entries.setdefault(name, Entry())
        entry.rounds += 1
        entry.faults += faults
        entry.events += len(traffic.sent)

    def lines(self) -> Iterable[str]:
        """A line for each name, and their sum."""
        for name, entry in sorted(self.entries.items()):
            yield f"{name}: {_told(entry)}"
        values = self.entries.values()
        whole = Entry(*(sum(getattr(e, f) for e in values) for f in ("rounds", "faults", "events")))
        yield f"in all: {_told(whole)}; lost 0, doubled 0"


def _told(entry: Entry) -> str:
    return f"{entry.rounds} rounds, {entry.faults} faults, {entry.events:,} events"
