"""No text becomes a formula, however a spreadsheet splits the file; none is lost by that."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from progress_worker.http.export.formats import csv_lines
from progress_worker.http.export.spreadsheet import text_cell

FORMULA_STARTS = tuple("=+-@\t\r＝＋－＠")
#: What a tolerant reader may drop in front of a cell.
TRIMMED = ' "\xa0\u3000\u200b\ufeff\0\x1f'
SEPARATORS = (",", ";", "\t", "|")
LINE_BREAK = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")

TEXTS = st.text(st.sampled_from("=+-@＝＠'\",;|\t\r\n\x85\u2028 \xa0\u200bx1\\") | st.characters())


def pieces(text: str) -> list[str]:
    """The cells of the file by every way to read it."""
    found: list[str] = []
    for separator in SEPARATORS:
        for line in LINE_BREAK.split(text):
            found += line.split(separator)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            for trimming in (False, True):
                lines = io.StringIO(text, newline="")
                rows = csv.reader(
                    lines, delimiter=separator, quoting=quoting, skipinitialspace=trimming
                )
                found += [cell for row in rows for cell in row]
    return found


@given(TEXTS, TEXTS)
@example("x;=cmd|'/C calc'!A0;y", "a;@SUM(A1)")
@example(' \t"=1', '"";"""+1')
@example("\t=1", "a\r\n\r=1\n\n=2")
def test_no_piece_starts_like_a_formula(first: str, second: str) -> None:
    text = csv_lines([["id", first, 7, second, 0.5]])
    for piece in pieces(text):
        assert not piece.startswith(FORMULA_STARTS), piece
        assert not piece.lstrip(TRIMMED).startswith(FORMULA_STARTS), piece


@given(TEXTS)
def test_the_text_can_be_had_back(text: str) -> None:
    """By the rule that the OpenAPI document gives, one place after the other."""
    assert undone(text_cell(text)) == text


def undone(cell: str) -> str:
    place = re.compile(
        r"(\A|\r\n|[,;|\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029])"
        r'((?:[^\S\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]|["\0-\x08\x0e-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff])*)'
        r"'(?='*[-=+@\t\r＝＋－＠﹦﹢﹣﹫]|(?<=\A')\n)"
    )
    return place.sub(r"\1\2", cell)


@pytest.mark.parametrize(
    "text",
    [
        "two-sum",
        "c/c++",
        "1 - 2",
        "a=b",
        "user@example.org",
        "O'Neil; 'quoted'",
        "a\r\nb, c",
        "漢字",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert text_cell(text) == text
