"""The index of what was said, for search: any part of a word, from one character on, in Chinese as in English.

Every text is folded (`fold`) and kept in `event_text`; its trigrams are indexed, with two spaces behind the text so that one begins
at every character. Three characters and more are found by all of their trigrams, fewer by the trigrams that begin with them. Both
databases then make sure that the word itself is in the text, so both find the same:

- SQLite: an FTS5 table with the tokenizer `trigram` over `event_text`, kept in step by triggers, and its vocabulary.
- PostgreSQL: a GIN index over the trigrams as a tsvector. Nothing has to be installed; `pg_trgm` would leave Chinese out where the
  database's locale is C, and would read the whole index for a word of two characters.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from typing import Any, Final

from sqlalchemy import Connection, Select, cast, column, func, insert, literal, select, table
from sqlalchemy.dialects.postgresql import TSQUERY

from assistant.storage.prepared import Prepared
from assistant.storage.tables import event_text

LENGTH: Final = 3  # characters of a gram
_END: Final = " " * (LENGTH - 1)
_LAST: Final = chr(0x10FFFF)
_MERGE_PAGES: Final = 500

# What a migration makes that no metadata can say: autogenerate leaves it alone.
SQLITE_TABLES: Final = frozenset({"event_fts", "event_fts_config", "event_fts_data", "event_fts_idx", "event_gram"})
POSTGRES_INDEX: Final = "ix_event_text_grams"

_ADD: Final = Prepared(insert(event_text))
_FTS: Final = table("event_fts", column("rowid"), column("event_fts"))
_GRAM: Final = table("event_gram", column("term"), column("doc"))


def fold(body: str) -> str:
    """`body` as it is compared: compatibility forms (full-width letters, ligatures) and case are alike, blanks are one space."""
    folded = body.lower() if body.isascii() else unicodedata.normalize("NFKC", body).casefold()
    return " ".join(folded.split())


def add(connection: Connection, conversation_id: str, seq: int, body: str) -> None:
    """Makes an event's text found, in the transaction that appends it. It is forgotten with the event, by a foreign key."""
    folded = fold(body)
    if folded:
        _ADD.run(connection, conversation_id=conversation_id, seq=seq, text=folded + _END)


def conversations_with(dialect: str, word: str) -> Select[Any]:
    """A query for the ids of the conversations in which `word` (no blanks) was said."""
    folded = fold(word)
    found = select(event_text.c.conversation_id).where(event_text.c.text.contains(folded, autoescape=True))
    if dialect == "sqlite":
        return found.where(event_text.c.id.in_(_of_sqlite(folded)))
    query = " & ".join(map(_quoted, grams(folded))) if len(folded) >= LENGTH else f"{_quoted(folded)}:*"
    return found.where(func.staywell_grams(event_text.c.text).op("@@")(cast(literal(query), TSQUERY)))


def grams(folded: str) -> list[str]:
    """The trigrams of a text, each once."""
    return list(dict.fromkeys(folded[at : at + LENGTH] for at in range(len(folded) - LENGTH + 1)))


def _of_sqlite(folded: str) -> Select[Any]:
    if len(folded) < LENGTH:
        return select(_GRAM.c.doc).where(_GRAM.c.term >= folded, _GRAM.c.term < folded + _LAST)
    every = " AND ".join('"{}"'.format(gram.replace('"', '""')) for gram in grams(folded))
    return select(_FTS.c.rowid).where(_FTS.c.event_fts.op("MATCH")(every))


def _quoted(gram: str) -> str:
    """A lexeme in PostgreSQL's notation."""
    return "'{}'".format(gram.replace("\\", "\\\\").replace("'", "''"))


def forget(connection: sqlite3.Connection) -> None:
    """Takes what was deleted out of SQLite's index, where until its parts are merged it only counts as deleted."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'event_fts'").fetchone()
    if known is None:
        return
    pages = -_MERGE_PAGES  # the first call says that all parts are meant
    while True:
        before = connection.total_changes
        with connection:
            connection.execute("INSERT INTO event_fts(event_fts, rank) VALUES('merge', ?)", (pages,))
        if connection.total_changes - before < 2:  # as its documentation has it: nothing was left to merge
            return
        pages = _MERGE_PAGES


def is_ours(name: str | None, kind: str) -> bool:
    """Whether a table or an index was made by a migration alone."""
    return (kind == "table" and name in SQLITE_TABLES) or (kind == "index" and name == POSTGRES_INDEX)


def in_metadata(_thing: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    """Alembic's `include_object`: what autogenerate compares."""
    return not is_ours(name, kind)
