"""`progress-worker explain`: why a learner has an achievement, or what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from progress_worker.cli.common import Json, console, print_json
from progress_worker.errors import ProgressError

if TYPE_CHECKING:
    from rich.tree import Tree

    from progress_worker.domain.completion import Completion
    from progress_worker.domain.explain import Explanation, Question, UnlockRecord
    from progress_worker.domain.explained_tree import Node, Subject
    from progress_worker.domain.explained_unlock import Finding
    from progress_worker.domain.spoken import Names
    from progress_worker.storage.database import Connection
    from progress_worker.walks.command import Opened

_CONTRADICTION: Final = 2
_SHOWN: Final = 20
_UNLOCKS: Final = "WHERE user_id = %s AND achievement_id = %s"
_CORRECTED: Final = "SELECT EXISTS (SELECT FROM completion WHERE user_id = %s AND revision > 0)"
_PORTION: Final = 500
_MARKS: Final = {"agrees": "agrees", "may_differ": "may differ", "contradicts": "CONTRADICTS"}


class NotToExplainError(ProgressError):
    """There is no such learner, achievement or occurrence."""


class _Found(NamedTuple):
    explanation: Explanation
    findings: list[Finding] | None


def explain(
    user: Annotated[str, typer.Argument(metavar="USER", help="The learner.")],
    achievement: Annotated[str, typer.Argument(metavar="ACHIEVEMENT", help="Its id.")],
    occurrence: Annotated[
        int | None,
        typer.Option(
            help="Which one, of an achievement that repeats: a multiple, or a week as in 202648. "
            "By default the last one that is unlocked."
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Compare the stored unlock with what the completions lead to; exit status 2 if "
            "what must agree does not.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Print why a learner has an achievement, or what is missing, and what counted for it.

    It shows hidden and withdrawn achievements too. Nothing is written. It needs the worker's
    settings and no Kafka.
    """
    from progress_worker.walks.command import refusals_explained  # noqa: PLC0415

    with refusals_explained("explain"):
        found = asyncio.run(_explain(user, achievement, occurrence, verify=verify))
    if as_json:
        print_json(_content(found))
    else:
        _print(found)
    if any(each.verdict == "contradicts" for each in found.findings or ()):
        raise typer.Exit(_CONTRADICTION)


async def _explain(user: str, achievement: str, occurrence: int | None, *, verify: bool) -> _Found:
    from progress_worker.storage.write.histories import connect_for_histories  # noqa: PLC0415
    from progress_worker.walks.command import open_database, tried  # noqa: PLC0415

    async with open_database("explain") as opened:

        async def attempt() -> _Found:
            async with connect_for_histories(
                opened.engine, [user], opened.time_limit_seconds, snapshot=True
            ) as connection:
                asked = _Asked(opened, connection, user, achievement)
                return await asked.answer(occurrence, verify=verify)

        return await tried(attempt)


class _Asked:
    """One question about one learner at one moment."""

    def __init__(self, opened: Opened, connection: Connection, user: str, achievement: str) -> None:
        self._books = opened.books
        self._connection = connection
        self._user = user
        self._achievement = achievement

    async def answer(self, occurrence: int | None, *, verify: bool) -> _Found:
        from progress_worker.domain.explain import explain as explain_it  # noqa: PLC0415
        from progress_worker.domain.explained_unlock import examine  # noqa: PLC0415

        found = await explain_it(await self._question(occurrence), self._completions)
        if not verify:
            return _Found(found, None)
        row = await (await self._connection.execute(_CORRECTED, [self._user])).fetchone()
        return _Found(found, examine(found, corrected=bool(row and row[0])))

    async def _question(self, occurrence: int | None) -> Question:
        from progress_worker.domain.explain import Page, Question  # noqa: PLC0415
        from progress_worker.storage.write.learners import load_whole  # noqa: PLC0415

        learners = await load_whole(self._connection, self._books, {self._user})
        if self._user not in learners:
            raise NotToExplainError(f"Nothing is stored of a learner {self._user}.")
        stored = learners[self._user]
        unlocks = await self._unlocks()
        number = occurrence or max(unlocks, default=None)
        unlock = None if number is None else unlocks.get(number)
        version = stored.rule_book if unlock is None else unlock.rule_version
        subject = await self._subject(version, number)
        return Question(subject, stored, unlock, self._books.active, Page(_SHOWN))

    async def _unlocks(self) -> dict[int, UnlockRecord]:
        from progress_worker.storage.unlock_records import (  # noqa: PLC0415
            UNLOCK_RECORD,
            unlock_record,
        )

        query = f"{UNLOCK_RECORD.select} {_UNLOCKS}"
        cursor = await self._connection.execute(query, [self._user, self._achievement])
        found = map(unlock_record, await cursor.fetchall())
        return {each.occurrence: each for each in found}

    async def _subject(self, version: int | None, occurrence: int | None) -> Subject:
        from progress_worker.domain.explained_tree import subject_of  # noqa: PLC0415
        from progress_worker.storage.write import rulebooks  # noqa: PLC0415

        await rulebooks.fetch(self._connection, self._books, [version])
        book = self._books.by_version[version]
        subject = subject_of(book, self._achievement, occurrence)
        if subject is None:
            which = "" if occurrence is None else f" with an occurrence {occurrence}"
            raise NotToExplainError(
                f"Rule book {book.version} has no achievement {self._achievement}{which}."
            )
        return subject

    async def _completions(self) -> AsyncIterator[Sequence[Completion]]:
        from progress_worker.storage.write.histories import completions_of  # noqa: PLC0415

        portion: list[Completion] = []
        async with aclosing(completions_of(self._connection, [self._user])) as completions:
            async for completion in completions:
                portion.append(completion)
                if len(portion) == _PORTION:
                    yield portion
                    portion = []
        yield portion


def _names(found: Explanation) -> Names:
    from progress_worker.domain.spoken import Names  # noqa: PLC0415

    book = found.question.subject.book
    texts = book.texts(book.content.language)
    return Names(
        lambda topic: book.topic_name(topic, book.content.language), lambda name: texts[name].name
    )


def _say(found: Explanation, node: Node) -> str:
    from progress_worker.domain.sentences import SENTENCES  # noqa: PLC0415

    return SENTENCES["en"](node, _names(found))


def _print(found: _Found) -> None:
    from rich.tree import Tree  # noqa: PLC0415

    explanation = found.explanation
    question, subject = explanation.question, explanation.question.subject
    name = _names(explanation).achievement(subject.achievement.id)
    console.print(f"{name} ({subject.achievement.id})", markup=False)
    for line in _unlock_lines(explanation):
        console.print(line, markup=False)
    tree = Tree(f"The rule, by rule book {subject.book.version}:")
    _grow(tree, explanation, explanation.root)
    console.print(tree, markup=False)
    console.print(f"{explanation.count:,} completions counted; SHA-256 {explanation.digest()}")
    if question.stored.kept_from is not None:
        console.print(
            f"Completions before {question.stored.kept_from:%Y-%m-%d} may be deleted, so more may "
            "have counted."
        )
    for each in explanation.completions:
        done = each.completion
        console.print(
            f"  {done.completed_at.isoformat()} {done.event_id}:{done.revision} "
            f"{done.exercise_id} (nodes {', '.join(map(str, each.nodes))})",
            markup=False,
        )
    if explanation.has_more:
        console.print(f"  and {explanation.count - len(explanation.completions):,} older ones")
    for finding in found.findings or ():
        reason = f": {finding.reason}" if finding.reason else ""
        console.print(
            f"{finding.part}: stored {finding.stored}, derived {finding.derived}, "
            f"{_MARKS[finding.verdict]}{reason}",
            markup=False,
        )
    if found.findings == []:
        console.print("There is no unlock to verify.")


def _unlock_lines(found: Explanation) -> list[str]:
    unlock, today = found.question.unlock, found.today
    if unlock is None or today is None:
        return ["Locked."]
    measured = unlock.progress
    stands = {True: "holds", False: "does not hold", None: "cannot be judged"}
    recorded = "" if unlock.recorded_at is None else f", recorded {unlock.recorded_at.isoformat()}"
    return [
        f"Unlocked at {unlock.unlocked_at.isoformat()}{recorded} by {unlock.triggering_event_id}"
        f"{' (backdated)' if unlock.backdated else ''}.",
        f"Occurrence {unlock.occurrence}, generation {unlock.generation}. Measured then: "
        f"{measured.measure}, {measured.current} of {measured.target}.",
        f"Today it {stands[found.root.holds]} by rule book {unlock.rule_version}, and it "
        f"{stands[today.holds]} by the active rule book {today.rule_version} ({today.status}).",
    ]


def _grow(tree: Tree, found: Explanation, node: Node) -> None:
    from rich.text import Text  # noqa: PLC0415

    mark = "yes" if node.holds else "no"
    branch = tree.add(Text(f"{node.number} [{mark}] {_say(found, node)}"))
    for part in node.parts:
        _grow(branch, found, part)


def _content(found: _Found) -> dict[str, Any]:
    """The explanation for programs: the names are those of the HTTP answer."""
    from msgspec import to_builtins  # noqa: PLC0415

    from progress_worker.http.api.presentation_of_explanations import (  # noqa: PLC0415
        Spoken,
        present_explanation,
    )

    explanation = found.explanation
    book = explanation.question.subject.book
    spoken = Spoken(book.content.language, "en")
    content: dict[str, Any] = to_builtins(
        present_explanation(explanation, book, spoken, of_that_day=True)
    )
    if found.findings is not None:
        content["verify"] = [to_builtins(finding._asdict()) for finding in found.findings]
    return content
