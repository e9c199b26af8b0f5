"""The page's templates, the files that it loads, and the policy that it runs under."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from progress_worker.http.page.language import Language, capitalized

_POLICY: Final = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "script-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
#: Allows our own files and nothing else: no script within the page, and no other address.
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Referrer-Policy": "no-referrer",
}
_VERSION_CHARACTERS: Final = 16
_UNKNOWN_ICON: Final = "star"
_MOST_LANGUAGES: Final = 64
#: How a language writes what the templates show.
_FILTERS: Final = (
    *("number", "between", "duration", "grade", "level", "tier", "difficulty", "visible"),
    *("summed", "worth", "named", "in_calendar"),
    *("day", "short_day", "weekday_and_day", "short_weekday", "month", "short_month"),
)


@dataclass(frozen=True)
class Asset:
    """A file that the page needs, served under `path`."""

    path: str
    file: str
    media_type: str

    def read(self) -> bytes:
        """The file's content."""
        return self._content

    @cached_property
    def version(self) -> str:
        """Changes with the content."""
        return hashlib.sha256(self._content).hexdigest()[:_VERSION_CHARACTERS]

    @property
    def address(self) -> str:
        """The address of this version. A cache never has another version under it."""
        return f"{self.path}?v={self.version}"

    @cached_property
    def _content(self) -> bytes:
        return (files("progress_worker.http.page") / "static" / self.file).read_bytes()


STYLESHEET: Final = Asset("/page.css", "page.css", "text/css; charset=utf-8")
SCRIPT: Final = Asset("/page.js", "page.js", "text/javascript; charset=utf-8")
ICON: Final = Asset("/icon.svg", "icon.svg", "image/svg+xml")
SPRITE: Final = Asset("/icons.svg", "icons.svg", "image/svg+xml")


def render(language: Language, template: str, **context: object) -> str:
    """The template's HTML. Every value is escaped, and an unknown name is an error."""
    return _environment(language).get_template(template).render(context)


@cache
def drawn_icons() -> frozenset[str]:
    """The names of the icons that have a drawing."""
    return frozenset(re.findall(r'<symbol id="([^"]+)"', SPRITE.read().decode()))


def icon_address(name: str) -> str:
    """The address of an icon's drawing, or of a star in its place."""
    return f"{SPRITE.address}#{name if name in drawn_icons() else _UNKNOWN_ICON}"


@lru_cache(_MOST_LANGUAGES)
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("progress_worker.http.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "stylesheet": STYLESHEET.address,
        "script": SCRIPT.address,
        "icon": ICON.address,
        "language": language,
        "say": language.say,
        "practised": language.practised,
    }
    environment.filters |= {name: getattr(language, name) for name in _FILTERS}
    environment.filters |= {"capitalized": capitalized, "icon_address": icon_address}
    return environment
