"""Turns an explanation into its answer, in the reader's language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from progress_worker.domain.explain import (
    Counted,
    Explanation,
    Position,
    Question,
    Today,
    UnlockRecord,
)
from progress_worker.domain.explained_tree import Node
from progress_worker.domain.rulebook import RuleBook
from progress_worker.domain.rules import Progress
from progress_worker.domain.sentences import SENTENCES
from progress_worker.domain.spoken import Names
from progress_worker.domain.streak_runs import DaysAlike
from progress_worker.http.api.responses_of_explanations import (
    CountedCompletion,
    Evidence,
    ExplainedDays,
    ExplainedNode,
    ExplanationAnswer,
    StillHolds,
    StoredNode,
    Trigger,
    UnlockExplained,
)
from progress_worker.http.languages import negotiate

_SPOKEN: Final = tuple(SENTENCES)
#: Between the two parts of a written position.
BY: Final = "~"
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class Spoken(NamedTuple):
    """The language of the names, of those that the rule book has, and that of the sentences."""

    names: str
    sentences: str

    def __str__(self) -> str:
        return self.sentences if self.names == self.sentences else f"{self.sentences}, {self.names}"


def languages_of(accepted: str, book: RuleBook) -> Spoken:
    """The languages that the header `Accept-Language` wants most.

    Without a wish, sentences are in the rule book's language if there are any in that.
    """
    first = negotiate(book.content.language, _SPOKEN)
    offered = (first, *(language for language in _SPOKEN if language != first))
    return Spoken(negotiate(accepted, book.languages), negotiate(accepted, offered))


def written_position(position: Position) -> str:
    """The place of a completion in the order of work, for the parameter `before`."""
    completed_at, event_id = position
    return f"{(completed_at - EPOCH) // _MICROSECOND}{BY}{event_id}"


def present_explanation(
    found: Explanation, own: RuleBook, spoken: Spoken, *, of_that_day: bool
) -> ExplanationAnswer:
    """The answer. `own` is the learner's rule book.

    `of_that_day` says whether the explanation is by the rule book that gave the unlock.
    """
    question, subject = found.question, found.question.subject
    names = names_of(own, subject.book, spoken.names)
    unlock = question.unlock
    return ExplanationAnswer(
        user_id=question.stored.user_id,
        id=subject.achievement.id,
        name=names.achievement(subject.achievement.id),
        occurrence=_occurrence(question),
        rule_version=subject.book.version,
        rules_of_that_day=of_that_day,
        unlock=unlock and present_unlock(unlock, still_counts=found.trigger is not None),
        still_holds=found.today and present_today(found.root, found.today),
        progress_hidden=False,
        rule=present_tree(found.root, found.days, names, spoken),
        evidence=Evidence(
            count=found.count,
            sha256=found.digest(),
            complete=found.complete,
            completions_kept_from=question.stored.kept_from,
        ),
        completions=[_counted(each) for each in found.completions],
        next=written_position(found.completions[-1].position) if found.has_more else None,
    )


def present_hidden(question: Question, own: RuleBook, spoken: Spoken) -> ExplanationAnswer:
    """The answer about a locked achievement whose progress is hidden."""
    subject = question.subject
    return ExplanationAnswer(
        user_id=question.stored.user_id,
        id=subject.achievement.id,
        name=own.texts(spoken.names)[subject.achievement.id].name,
        occurrence=_occurrence(question),
        rule_version=subject.book.version,
        rules_of_that_day=True,
        unlock=None,
        still_holds=None,
        progress_hidden=True,
        rule=None,
        evidence=None,
        completions=[],
        next=None,
    )


def names_of(own: RuleBook, other: RuleBook, language: str) -> Names:
    """The names by the learner's rule book, or else by the other one."""
    second = negotiate(language, other.languages)
    texts = {**other.texts(second), **own.texts(language)}
    return Names(
        lambda topic: own.topic_name(topic, language),
        lambda name: texts[name].name if name in texts else name,
    )


def _occurrence(question: Question) -> int | None:
    subject = question.subject
    if subject.occurrence is None and subject.achievement.repeat != "each_week":
        return 1
    return subject.occurrence


def present_tree(
    root: Node, days: Mapping[int, Iterable[DaysAlike]], names: Names, spoken: Spoken
) -> ExplainedNode:
    """A rule, and what it measures today. `days` are by the node's number."""
    say = SENTENCES[spoken.sentences]

    def node_of(node: Node) -> ExplainedNode:
        alike = [ExplainedDays(**each._asdict()) for each in days.get(node.number, ())]
        return ExplainedNode(
            node=node.number,
            sentence=say(node, names),
            rule=node.written(),
            requires=node.requires,
            measure=node.progress.measure,
            value=node.progress.current,
            target=node.progress.target,
            missing=node.missing,
            holds=node.holds,
            window=node.window,
            days=alike or None,
            parts=[node_of(part) for part in node.parts],
        )

    return node_of(root)


def present_today(root: Node, today: Today) -> StillHolds:
    """Whether the rule holds. `root` is that of the rule book that gave the unlock."""
    return StillHolds(
        by_rules_of_that_day=root.holds,
        by_todays_rules=today.holds,
        todays_rule_version=today.rule_version,
        todays_status=today.status,
    )


def present_unlock(unlock: UnlockRecord, *, still_counts: bool) -> UnlockExplained:
    """The unlock as it is stored. `still_counts` says whether its trigger does."""
    return UnlockExplained(
        unlocked_at=unlock.unlocked_at,
        recorded_at=unlock.recorded_at,
        generation=unlock.generation,
        backdated=unlock.backdated,
        trigger=Trigger(
            event_id=unlock.triggering_event_id,
            completed_at=unlock.unlocked_at,
            still_counts=still_counts,
        ),
        measured=_stored(unlock.progress),
    )


def _stored(progress: Progress) -> StoredNode:
    return StoredNode(
        measure=progress.measure,
        value=progress.current,
        target=progress.target,
        parts=[_stored(part) for part in progress.parts],
    )


def _counted(found: Counted) -> CountedCompletion:
    done = found.completion
    grade = done.grade_hundredths
    return CountedCompletion(
        event_id=done.event_id,
        revision=done.revision,
        nodes=list(found.nodes),
        exercise_id=done.exercise_id,
        topic=done.topic,
        difficulty=done.difficulty,
        grade=None if grade is None else grade / 100,
        time_spent_seconds=done.time_spent_seconds,
        hints_used=done.hints_used,
        completed_at=done.completed_at,
        local_day=done.local_day,
    )
