"""The page that shows a learner's progress to a person, and the files that it loads."""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from starlette.responses import HTMLResponse, Response

from progress_worker.http.api.presentation import achievement_rows
from progress_worker.http.api.windows import MAX_DAYS
from progress_worker.http.asking import USER_ID, Asked, of_learner
from progress_worker.http.conditional import (
    asks_for_change,
    caching_headers,
    matches,
)
from progress_worker.http.endpoints import Call, Endpoint
from progress_worker.http.export.endpoint import FORMAT, export
from progress_worker.http.languages import accepted_languages
from progress_worker.http.live.endpoint import LAST_EVENT_ID, stream_to
from progress_worker.http.page.language import Language
from progress_worker.http.page.login import token_in_cookie
from progress_worker.http.page.presentation import days_to_read, present_page
from progress_worker.http.page.refusal import refuse_as_page
from progress_worker.http.page.templating import (
    ICON,
    PAGE_HEADERS,
    SCRIPT,
    SPRITE,
    STYLESHEET,
    Asset,
    render,
)
from progress_worker.http.page.voice import Voice
from progress_worker.http.security.authentication import Principal
from progress_worker.storage.read.views import Stamp

_A_YEAR: Final = "public, max-age=31536000, immutable"
_COOKIE: Final = "Cookie"


async def reader(call: Call) -> Principal:
    """The principal of the header's token, or in development also of the cookie's."""
    request, view = call.request, call.view
    token = token_in_cookie(request) if view.development_login else None
    if token is None or "authorization" in request.headers:
        return await view.authenticator.authenticate(request)
    return await view.authenticator.verify(token)


async def page(question: Asked) -> Response:
    """Streak, next steps, totals, trend, calendar, skill levels and badges, made to be read."""
    view, about = question.view, question.values[USER_ID]
    if asks_for_change(question.request):
        spoken = _Spoken.of(question, await view.reads.stamp(question.user_id))
        if matches(question.request, spoken.tag):
            return Response(status_code=304, headers=spoken.headers())
    days = days_to_read(question.now)
    found = await view.reads.page(question.user_id, days.first, days.last)
    spoken = _Spoken.of(question, found.stamp)

    def make() -> bytes:
        voice = Voice(spoken.language, about)
        shown = present_page(
            found.decode(), question.now, voice, spoken.texts_language, question.rarity
        )
        return render(spoken.language, "progress.html", page=shown).encode()

    body = await view.computing.make(
        found.characters, make, rows=MAX_DAYS + achievement_rows(found.stamp)
    )
    return HTMLResponse(body, headers=spoken.headers())


class _Spoken(NamedTuple):
    """The languages of a page and of the rule book's texts on it, and the tag of both."""

    language: Language
    texts_language: str
    tag: str

    @classmethod
    def of(cls, question: Asked, stamp: Stamp) -> Self:
        accepted, default = accepted_languages(question.request.scope), stamp.book.languages[0]
        language = question.view.page_languages.choose(accepted, default)
        texts_language = question.language(stamp)
        return cls(
            language, texts_language, question.tag(stamp, f"{language.tag} {texts_language}")
        )

    def headers(self) -> dict[str, str]:
        headers = caching_headers(self.tag, self.language.tag) | PAGE_HEADERS
        return headers | {"Vary": f"{headers['Vary']}, {_COOKIE}"}


async def export_from_page(question: Asked) -> Response:
    """The export, for whoever may see the page."""
    answer = await export(question)
    answer.headers.add_vary_header(_COOKIE)
    return answer


async def events(call: Call) -> Response:
    """The stream of events, for whoever may see the page."""
    return await stream_to(call, reader)


def _file(asset: Asset) -> Endpoint:
    """A file of the page. It never changes under the address that the page uses."""

    async def send(call: Call) -> Response:
        tag = f'"{asset.version}"'
        current = call.request.query_params.getlist("v") == [asset.version]
        headers = {"ETag": tag, "Cache-Control": _A_YEAR if current else "no-cache"}
        if matches(call.request, tag):
            return Response(status_code=304, headers=headers)
        return Response(asset.read(), media_type=asset.media_type, headers=headers)

    return Endpoint(asset.path, send)


ENDPOINTS: Final = (
    Endpoint(
        "/",
        of_learner(page, reader),
        parameters=(USER_ID,),
        refuse=refuse_as_page,
        has_rarity=True,
    ),
    Endpoint(
        "/export",
        of_learner(export_from_page, reader),
        parameters=(USER_ID, FORMAT),
        has_rarity=True,
        refuse=refuse_as_page,
    ),
    Endpoint("/events", events, parameters=(USER_ID, LAST_EVENT_ID)),
    *map(_file, (STYLESHEET, SCRIPT, ICON, SPRITE)),
)
