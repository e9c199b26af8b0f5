"""The page's templates, its stylesheet and icon, and the policy that it runs under."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from progress_worker.domain.calendar import local_day
from progress_worker.http.page import text as page_text

_POLICY: Final = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
#: Allows our own stylesheet and icon. Nothing else is loaded, and no script runs.
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Referrer-Policy": "no-referrer",
}
_VERSION_CHARACTERS: Final = 16


@dataclass(frozen=True)
class Asset:
    """A file that the page needs, served under `path`."""

    path: str
    file: str

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


STYLESHEET: Final = Asset("/page.css", "page.css")
ICON: Final = Asset("/icon.svg", "icon.svg")


def render(template: str, **context: object) -> str:
    """The template's HTML. Every value is escaped, and an unknown name is an error."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("progress_worker.http.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"stylesheet": STYLESHEET.address, "icon": ICON.address}
    environment.filters |= {
        "number": page_text.number,
        "counted": page_text.counted,
        "duration": page_text.duration,
        "grade": page_text.grade,
        "local_day": local_day,
        "day": page_text.day,
        "weekday_and_day": page_text.weekday_and_day,
        "weekday": page_text.weekday,
        "short_weekday": page_text.short_weekday,
        "month": page_text.month,
        "short_month": page_text.short_month,
        "visible": page_text.visible,
    }
    return environment
