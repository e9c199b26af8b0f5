"""Every icon of the built-in rule book has a drawing of its own."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from progress_worker.domain.rulebook import built_in_text, read_rule_book
from progress_worker.http.page.templating import SPRITE, drawn_icons, icon_address

SVG = "{http://www.w3.org/2000/svg}"


def test_every_icon_of_the_built_in_rule_book_is_drawn() -> None:
    named = {found.icon for found in read_rule_book(built_in_text()).achievements}
    assert named <= drawn_icons()


def test_no_drawing_is_drawn_twice() -> None:
    symbols = ET.fromstring(SPRITE.read()).findall(f"{SVG}symbol")
    drawings = ["".join(ET.tostring(part, "unicode") for part in symbol) for symbol in symbols]
    assert len(set(drawings)) == len(drawings) == len(drawn_icons())


def test_an_unknown_icon_is_a_star() -> None:
    assert icon_address("heart") == f"{SPRITE.address}#heart"
    for unknown in ("", "no-such-icon", 'star" onload="'):
        assert icon_address(unknown) == f"{SPRITE.address}#star"
