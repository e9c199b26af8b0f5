"""Compares all learners with a rule book that is not active yet, and prints what it changes."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Column, Table
from rich.text import Text

from progress_worker.cli.common import console
from progress_worker.domain.rulebook import RuleBook
from progress_worker.settings.rules import ConfiguredRules
from progress_worker.storage.database import connect_for
from progress_worker.storage.write import rulebooks, walks
from progress_worker.walks.command import Opened, open_database, progress_bar, tried
from progress_worker.walks.pacing import walk_seconds
from progress_worker.walks.rule_diff import Affected, Direction, RuleDiff, Totals

_HASH_DIGITS: Final = 12


async def run_rule_diff(file: Path, *, hash_ids: bool) -> RuleDiffReport:
    """Compare all learners with the rule book in this file.

    Raises FatalError where it could not be activated, and what `open_database` raises.
    """
    async with open_database("rules diff", catalogue_file=file) as opened:
        started = time.monotonic()
        limit, book = opened.time_limit_seconds, opened.rules.book
        async with connect_for(opened.engine, limit) as connection:
            await rulebooks.refuse(connection, opened.books, book)
            active = await rulebooks.newest(connection)
            learners = await walks.learners(connection)
        comparison = RuleDiff(
            opened.engine,
            opened.books,
            book,
            now=dt.datetime.now(dt.UTC),
            time_limit_seconds=limit,
        )
        with progress_bar() as bar:
            task = bar.add_task("learners", total=learners)
            while not comparison.finished:
                bar.advance(task, await tried(comparison.step))
        return _report(opened, active, comparison.totals, started, hash_ids=hash_ids)


def _report(
    opened: Opened, active: int | None, totals: Totals, started: float, *, hash_ids: bool
) -> RuleDiffReport:
    return RuleDiffReport(
        rules=opened.rules,
        active=active,
        totals=totals,
        learners_per_second=opened.settings.walk_learners_per_second,
        emit_revocations=opened.settings.emit_revocations,
        seconds=time.monotonic() - started,
        hash_ids=hash_ids,
    )


@dataclass(frozen=True, slots=True)
class RuleDiffReport:
    """What a rule book changes, to be printed.

    `active` is the version of the active rule book, None where no worker ever ran. `seconds` is how
    long the comparison took.
    """

    rules: ConfiguredRules
    active: int | None
    totals: Totals
    learners_per_second: float
    emit_revocations: bool
    seconds: float
    hash_ids: bool

    @property
    def _backfill_seconds(self) -> float:
        learners = self.totals.learners
        return walk_seconds(learners["to_move"], learners["compared"], self.learners_per_second)

    @property
    def _messages(self) -> int:
        """How many messages the back-fill would send, as the rule book announces them."""
        lost = self.totals.lost if self.emit_revocations else 0
        match self.rules.book.content.announce:
            case "none":
                return lost
            case "digest":
                return lost + self.totals.learners["gaining"]
            case "all":
                return lost + self.totals.gained

    def content(self) -> dict[str, Any]:
        """Everything, as a JSON object."""
        totals = self.totals
        return {
            "rule_book": self.rules.summary(),
            "active_version": self.active,
            "learners": {
                "compared": totals.learners["compared"],
                "truncated": totals.learners["truncated"],
                "incomplete": totals.learners["incomplete"],
            },
            "achievements": [
                {
                    "id": name,
                    "in_rule_book": name in _ids(self.rules.book),
                    "gained": self._occurrences(change.gained),
                    "lost": self._occurrences(change.lost),
                    "stays": change.stays,
                }
                for name, change in totals.achievements.items()
            ],
            "levels": [
                {"topic": topic} | self._direction(totals.levels[topic])
                for topic in sorted(totals.levels)
            ],
            "streaks": {name: self._direction(found) for name, found in totals.streaks.items()},
            "backfill": {
                "learners": totals.learners["to_move"],
                "announce": self.rules.book.content.announce,
                "messages": self._messages,
                "learners_per_second": self.learners_per_second,
                "seconds": round(self._backfill_seconds, 1),
            },
            "gained": totals.gained,
            "lost": totals.lost,
            "seconds": round(self.seconds, 1),
        }

    def print(self) -> None:
        """Print tables of what changes, and sentences about the rest."""
        console.print(Text(str(self.rules)))
        compared = self.totals.learners["compared"]
        console.print(f"{compared:,} learners compared in {self.seconds:.0f} s.", highlight=False)
        self._print_achievements()
        self._print_directions()
        for sentence in self._sentences():
            console.print(sentence, highlight=False)

    def _print_achievements(self) -> None:
        table = _table("achievement", "gain it", "lose it", "keep it")
        ids = _ids(self.rules.book)
        for name, change in self.totals.achievements.items():
            table.add_row(
                Text(name if name in ids else f"{name} (not in the rule book)"),
                f"{change.gained.learners:,}",
                f"{change.lost.learners:,}",
                f"{change.stays:,}",
                self._examples(gain=change.gained, lose=change.lost),
            )
        console.print(table)

    def _print_directions(self) -> None:
        table = _table("", "rises for", "falls for")
        directions = {f"level in {t}": self.totals.levels[t] for t in sorted(self.totals.levels)}
        for name, found in self.totals.streaks.items():
            directions[name.replace("_", " streak in ")] = found
        for name, found in directions.items():
            if found.rises.learners or found.falls.learners:
                table.add_row(
                    Text(name),
                    f"{found.rises.learners:,}",
                    f"{found.falls.learners:,}",
                    self._examples(rise=found.rises, fall=found.falls),
                )
        if table.row_count:
            console.print(table)
        else:
            console.print("No level and no streak changes.")

    def _sentences(self) -> Iterator[str]:
        learners, rate = self.totals.learners, self.learners_per_second
        yield (
            f"The back-fill would move {learners['to_move']:,} learners in "
            f"{_duration(self._backfill_seconds)} or more, at {rate:g} learners a second, and send "
            f"{self._messages:,} messages."
        )
        if learners["truncated"]:
            yield (
                f"{learners['truncated']:,} learners have deleted older completions: they may gain "
                "less than they have done the work for."
            )
        if learners["incomplete"]:
            yield (
                f"{learners['incomplete']:,} learners are complete by no rule book, since an older "
                "release saved them last: they were derived."
            )

    def _examples(self, **affected: Affected) -> Text:
        parts = [
            f"{what}: {', '.join(self._samples(found))}"
            for what, found in affected.items()
            if found.samples
        ]
        return Text("; ".join(parts))

    def _direction(self, found: Direction) -> dict[str, Any]:
        return {"rises": self._affected(found.rises), "falls": self._affected(found.falls)}

    def _affected(self, found: Affected) -> dict[str, Any]:
        return {"learners": found.learners, "samples": self._samples(found)}

    def _occurrences(self, found: Affected) -> dict[str, Any]:
        return {"occurrences": found.occurrences} | self._affected(found)

    def _samples(self, found: Affected) -> list[str]:
        return [_hashed(user) if self.hash_ids else user for user in found.samples]


def _table(what: str, *numbers: str) -> Table:
    """A table of what changes, for how many learners, and for whom."""
    columns = (Column(name, justify="right") for name in numbers)
    return Table(what, *columns, "for example", box=None)


def _ids(book: RuleBook) -> set[str]:
    """The achievements that people can see by this rule book."""
    return {achievement.id for achievement in book.achievements}


def _hashed(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:_HASH_DIGITS]


def _duration(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))
