"""The parts of the view, which every handler may need."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from progress_worker.http.computing import Computing
from progress_worker.http.export.spools import Spools
from progress_worker.http.live.parts import Live
from progress_worker.http.metrics import ViewMetrics
from progress_worker.http.page.languages import Languages
from progress_worker.http.rarity import ViewRarity
from progress_worker.http.security.authentication import Authenticator
from progress_worker.storage.read.explanations import ExplanationReads
from progress_worker.storage.read.export import ExportReads
from progress_worker.storage.read.progress import ProgressReads


@dataclass(frozen=True, slots=True)
class ViewContext:
    """The view's parts, made once per application.

    `development_login` lets the page, and nothing else, take the token from a cookie.
    """

    clock: Callable[[], dt.datetime]
    metrics: ViewMetrics
    authenticator: Authenticator
    reads: ProgressReads
    rarity: ViewRarity
    exports: ExportReads
    spools: Spools
    export_seconds: float
    xapi_home_page: str
    explanations: ExplanationReads
    computing: Computing
    live: Live
    page_languages: Languages
    development_login: bool = False
