"""Fills a database with many learners, as a worker by the built-in rule book would leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg

from progress_worker.domain.rulebook import RuleBook, built_in_text, read_rule_book
from progress_worker.embedded.database import Database

_LEARNERS_SQL = Path(__file__).with_name("view_learners.sql")
_COMPLETIONS_SQL = Path(__file__).with_name("rule_diff_completions.sql")
_STORE_RULE_BOOK = """
INSERT INTO rule_book (version, name, digest, format, content)
VALUES (%(version)s, %(name)s, %(digest)s, %(format)s, %(content)s)
"""


def store_learners(database: Database, learners: int, *, completions: bool = False) -> None:
    """Fill the learner tables of an empty database; the completions too if they are wanted."""
    text = built_in_text()
    book = read_rule_book(text)
    with (
        psycopg.connect(database.owner_url, autocommit=True) as connection,
        psycopg.ClientCursor(connection) as cursor,
    ):
        cursor.execute("SET work_mem = '256MB'")
        cursor.execute(_LEARNERS_SQL.read_bytes(), _parameters(book, learners))
        if completions:
            cursor.execute(_STORE_RULE_BOOK, _columns(book, text))
            cursor.execute(_COMPLETIONS_SQL.read_bytes(), {"version": book.version})
        cursor.execute("VACUUM ANALYZE")


def _parameters(book: RuleBook, learners: int) -> dict[str, Any]:
    return {
        "learners": learners,
        "catalogue": [achievement.id for achievement in book.achievements],
        "counters": json.dumps(dict.fromkeys(sorted(book.counters.zero()), 3)),
    }


def _columns(book: RuleBook, text: str) -> dict[str, Any]:
    return {
        "version": book.version,
        "name": book.content.name,
        "digest": book.digest,
        "format": book.content.format,
        "content": text,
    }
