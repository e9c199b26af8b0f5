"""Tries a rule book on lines of events, and prints what they unlock."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import typer
from pydantic_core import to_json

from progress_worker.domain.occurrences import unlock_name
from progress_worker.domain.reducer import Unlock
from progress_worker.domain.revocation import Loss
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.streak_reading import read_daily, read_weekly
from progress_worker.errors import PoisonError
from progress_worker.events.cloudevents import utc_text
from progress_worker.settings.rules import ConfiguredRules
from progress_worker.settings.worker import Settings
from progress_worker.trying.lines import LineReader
from progress_worker.trying.trial import Trial, TriedLearner

_LIMITS: Final = ("max_value_bytes", "max_future_seconds")


def run_rule_trial(rules: ConfiguredRules, lines: Iterable[bytes], *, as_json: bool) -> int:
    """Fold the lines and print each learner; returns how many lines are wrong."""
    report = _JsonReport(rules) if as_json else _TextReport(rules)
    limits = {name: Settings.model_fields[name].default for name in _LIMITS}
    reader = LineReader(rules.book.day_starts, **limits)
    trial, figures = Trial(rules.book), Counter(events=0, repeats=0, wrong=0)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fact = reader.read(line.rstrip(b"\r\n"), dt.datetime.now(dt.UTC))
        except PoisonError as error:
            figures["wrong"] += 1
            report.wrong(number, error)
        else:
            figures["events"] += 1
            figures["repeats"] += not trial.add(fact)
    for learner in trial.learners:
        figures["learners"] += 1
        figures["unlocks"] += len(_unlocks(learner))
        report.learner(learner)
    report.end(figures)
    return figures["wrong"]


class _TextReport:
    """Prints for people; wrong lines go to standard error."""

    def __init__(self, rules: ConfiguredRules) -> None:
        self._rules = rules

    def wrong(self, number: int, error: PoisonError) -> None:
        """Name a line that is not a valid event."""
        typer.echo(f"Line {number} is wrong: {error.reason.value}: {error}", err=True)

    def learner(self, learner: TriedLearner) -> None:
        """Print the unlocks in their order, then levels and streaks."""
        typer.echo(learner.state.user_id)
        for each in learner.story:
            typer.echo(f"  {_said(each)}")
        levels = [f"{topic} {level}" for topic, level in _levels(learner).items()]
        typer.echo(f"  levels: {', '.join(levels) or 'beginner everywhere'}")
        days, weeks = (_streaks(self._rules.book, learner)[unit] for unit in ("days", "weeks"))
        typer.echo(
            f"  streaks: {days['current']} days (longest {days['longest']}), "
            f"{weeks['current']} weeks (longest {weeks['longest']})"
        )

    def end(self, figures: Counter[str]) -> None:
        """Print what was tried."""
        typer.echo(
            f"{figures['events']:,} events ({figures['repeats']:,} repeats) of "
            f"{figures['learners']:,} learners: {figures['unlocks']:,} unlocks. "
            f"{figures['wrong']:,} lines are wrong. {self._rules}"
        )


class _JsonReport:
    """Prints a JSON object per line, the last one in all."""

    def __init__(self, rules: ConfiguredRules) -> None:
        self._rules = rules

    def wrong(self, number: int, error: PoisonError) -> None:
        """Name a line that is not a valid event."""
        _print("wrong_line", line=number, reason=error.reason.value, message=str(error))

    def learner(self, learner: TriedLearner) -> None:
        """Print the unlocks in their order, levels and streaks."""
        _print(
            "learner",
            user_id=learner.state.user_id,
            unlocks=[_unlock(unlock) for unlock in _unlocks(learner)],
            losses=[_loss(each) for each in learner.story if isinstance(each, Loss)],
            levels=_levels(learner),
            streaks=_streaks(self._rules.book, learner),
        )

    def end(self, figures: Counter[str]) -> None:
        """Print what was tried."""
        _print("end", rule_book=self._rules.summary(), **figures)


def _print(kind: str, **content: Any) -> None:
    typer.echo(to_json({"kind": kind, **content}).decode())


def _unlocks(learner: TriedLearner) -> list[Unlock]:
    """Every unlock, those that were lost later included."""
    return [each for each in learner.story if isinstance(each, Unlock)]


def _said(each: Unlock | Loss) -> str:
    name = unlock_name(each.achievement.id, each.occurrence)
    if isinstance(each, Loss):
        return f"lost: {name}"
    measured = each.progress
    return (
        f"{utc_text(each.trigger.completed_at)}  {name}: {measured.measure} "
        f"{measured.current:,} of {measured.target:,}"
    )


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "achievement_id": loss.achievement.id,
        "occurrence": loss.occurrence,
        "generation": loss.generation,
        "reason": loss.reason,
    }


def _unlock(unlock: Unlock) -> dict[str, Any]:
    return {
        "unlocked_at": utc_text(unlock.trigger.completed_at),
        "achievement_id": unlock.achievement.id,
        "occurrence": unlock.occurrence,
        "generation": unlock.generation,
        "measure": unlock.progress.measure,
        "value": unlock.progress.current,
        "target": unlock.progress.target,
        "triggering_event_id": str(unlock.trigger.event_id),
        "backdated": unlock.backdated,
    }


def _levels(learner: TriedLearner) -> dict[str, str]:
    """The levels other than beginner, by topic."""
    levels = learner.state.levels
    return {
        topic: levels[topic].level for topic in sorted(levels) if levels[topic].level != "beginner"
    }


def _streaks(book: RuleBook, learner: TriedLearner) -> dict[str, dict[str, int]]:
    """The streaks as read on the last active day."""
    streaks, policy = learner.state.streaks, book.streak_policy
    today = streaks.active.last_day or dt.date.min
    daily, weekly = read_daily(streaks, policy, today), read_weekly(streaks, policy, today)
    return {
        "days": {"current": daily.current, "longest": daily.longest},
        "weeks": {"current": weekly.current, "longest": weekly.longest},
    }
