"""One achievement of a learner, and why it was unlocked or what is missing."""

from __future__ import annotations

import datetime as dt
import re
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from progress_worker.domain.explain import Page, Position, Question, UnlockRecord, explain
from progress_worker.domain.explained_tree import Subject, subject_of
from progress_worker.domain.rulebook import RuleBook
from progress_worker.http.api.presentation import Standing, presenter_of
from progress_worker.http.api.presentation_of_explanations import (
    BY,
    EPOCH,
    Spoken,
    languages_of,
    present_explanation,
    present_hidden,
)
from progress_worker.http.api.responses import AchievementStatus
from progress_worker.http.api.responses_of_explanations import ExplanationAnswer
from progress_worker.http.asking import USER_ID, Asked, of_learner
from progress_worker.http.conditional import caching_headers
from progress_worker.http.endpoints import Endpoint
from progress_worker.http.languages import accepted_languages
from progress_worker.http.parameters import Parameter, whole_number
from progress_worker.storage.read.opened import OpenLearner
from progress_worker.storage.read.views import LearnerView, Stamp, StoredRow

_MOST_COMPLETIONS: Final = 100
_LAST_OCCURRENCE: Final = 999_953
#: Characters whose decoding takes as long as one line of a digest.
_CHARACTERS_PER_LINE: Final = 20
#: Microseconds since 1970, and the event id.
_POSITION: Final = r"^[0-9]{1,16}~[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def _read_position(text: str) -> Position:
    if not re.fullmatch(_POSITION, text):
        raise ValueError("send the `next` of the page before it")
    microseconds, _, event_id = text.partition(BY)
    return EPOCH + dt.timedelta(microseconds=int(microseconds)), UUID(event_id)


ID: Final[Parameter[str]] = Parameter(
    "id",
    "The achievement's id.",
    str,
    {"type": "string", "minLength": 1},
    "",
    ("first_steps",),
    "path",
)
OCCURRENCE: Final[Parameter[int | None]] = Parameter(
    "occurrence",
    "Which one, of an achievement that repeats: a multiple, or a week as in 202648. When not "
    "given: the last one that is unlocked.",
    whole_number(1, _LAST_OCCURRENCE),
    {"type": "integer", "minimum": 1, "maximum": _LAST_OCCURRENCE},
    None,
)
LIMIT: Final[Parameter[int]] = Parameter(
    "limit",
    "How many of the completions that counted are on a page.",
    whole_number(1, _MOST_COMPLETIONS),
    {"type": "integer", "minimum": 1, "maximum": _MOST_COMPLETIONS, "default": 20},
    20,
)
BEFORE: Final[Parameter[Position | None]] = Parameter(
    "before",
    "For the next page of completions: the `next` of the page before it.",
    _read_position,
    {"type": "string", "pattern": _POSITION},
    None,
)


async def achievement(question: Asked) -> Response:
    """One achievement, unlocked or not, with its progress."""
    found = await question.view.reads.learner(question.user_id)
    _, standing = await _seen(question, found)
    language = question.language(found.stamp)
    if unchanged := question.unchanged(found.stamp, language):
        return unchanged
    presenter = presenter_of(found.stamp.book, language)
    body = msgspec.json.encode(presenter.status(standing, question.rarity))
    return _json(body, question.tag(found.stamp, language), language)


async def explanation(question: Asked) -> Response:
    """Why the achievement was unlocked, or what is missing: its rule, and what counted for it.

    The rule is that of the day of the unlock. What it measures is counted again from the
    completions that are stored.
    """
    async with question.view.explanations.open(question.user_id) as source:
        stored = await source.learner()
        learner, standing = await _seen(question, stored)
        chosen = await _choose(question, source, stored.stamp, learner)
        spoken = languages_of(accepted_languages(question.request.scope), stored.stamp.book)
        also = chosen.question.active.digest
        if unchanged := question.unchanged(stored.stamp, str(spoken), also=also):
            return unchanged
        answer = await _answer(question, source, chosen, standing, stored.stamp.book, spoken)
    return _json(answer, question.tag(stored.stamp, str(spoken), also=also), str(spoken))


class _Chosen(NamedTuple):
    """What to explain, and whether it is by the rule book of the unlock."""

    question: Question
    of_that_day: bool


async def _choose(
    question: Asked, source: OpenLearner, stamp: Stamp, learner: LearnerView
) -> _Chosen:
    wanted, values = question.values[ID], question.values
    unlocks = await source.unlocks(wanted)
    occurrence = values[OCCURRENCE] or max(unlocks, default=None)
    unlock = None if occurrence is None else unlocks.get(occurrence)
    subject = await _of_that_day(source, unlock, wanted)
    of_that_day = unlock is None or subject is not None
    subject = subject or subject_of(stamp.book, wanted, occurrence)
    if subject is None:
        raise HTTPException(404, "The achievement has no such occurrence.")
    page = Page(values[LIMIT], values[BEFORE])
    active = await source.active()
    return _Chosen(Question(subject, learner.state, unlock, active, page), of_that_day)


async def _of_that_day(
    source: OpenLearner, unlock: UnlockRecord | None, wanted: str
) -> Subject | None:
    book = None if unlock is None else await source.book(unlock.rule_version)
    if book is None or unlock is None:
        return None
    return subject_of(book, wanted, unlock.occurrence)


async def _answer(
    question: Asked,
    source: OpenLearner,
    chosen: _Chosen,
    standing: Standing,
    own: RuleBook,
    spoken: Spoken,
) -> bytes:
    if standing.is_masked:
        return msgspec.json.encode(present_hidden(chosen.question, own, spoken))
    found = await explain(chosen.question, source.completions)

    def make() -> bytes:
        answer = present_explanation(found, own, spoken, of_that_day=chosen.of_that_day)
        return msgspec.json.encode(answer)

    return await question.view.computing.make(found.count * _CHARACTERS_PER_LINE, make)


async def _seen(question: Asked, stored: StoredRow[LearnerView]) -> tuple[LearnerView, Standing]:
    """The learner and the achievement; 404 where the learner may not know of it.

    A hidden achievement that is locked is answered like one that does not exist.
    """

    def look() -> tuple[LearnerView, Standing | None]:
        learner = stored.decode()
        presenter = presenter_of(stored.stamp.book, question.language(stored.stamp))
        return learner, presenter.standing(learner, question.values[ID])

    learner, standing = await question.view.computing.make(stored.characters, look)
    if standing is None:
        raise HTTPException(404, "There is no such achievement.")
    return learner, standing


def _json(body: bytes, tag: str, language: str) -> Response:
    headers = caching_headers(tag, language)
    return Response(body, media_type="application/json", headers=headers)


_endpoint = partial(Endpoint, tag="progress", needs_token=True, has_texts=True)

ENDPOINTS: Final = (
    _endpoint(
        "/api/progress/achievements/{id}",
        of_learner(achievement),
        answer=AchievementStatus,
        parameters=(ID, USER_ID),
        has_rarity=True,
    ),
    _endpoint(
        "/api/progress/achievements/{id}/explanation",
        of_learner(explanation),
        answer=ExplanationAnswer,
        parameters=(ID, OCCURRENCE, LIMIT, BEFORE, USER_ID),
    ),
)
