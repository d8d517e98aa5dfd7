"""What was said is found by any part of it, on both databases alike, and is gone when it is erased."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text

from assistant.erasure.erase import erase_conversation
from assistant.erasure.pages import forget_pages
from assistant.storage import fulltext, migrate
from assistant.storage.connections import connect, sqlite_file
from assistant.storage.fulltext import conversations_with, fold
from assistant.storage.tables import event, event_text

# Few letters, so that parts of words meet; some that fold, some that are operators somewhere, and some beyond the basic plane.
LETTERS = "aAbB%_'\"\\*:&|!- 退货水壶ＡÉé我🎈ß"


def found(shop: Any, word: str) -> set[str]:
    query = conversations_with(shop.storage.dialect, word)
    return set(shop.read(lambda connection: connection.execute(query).scalars().all()))


def test_folding_makes_alike_what_people_take_for_alike() -> None:
    assert fold("ＡＢＣ　１２３") == "abc 123"
    assert fold("ÉTÉ") == fold("été")
    assert fold("  Where\n is\tit ") == "where is it"


def test_parts_of_words_are_found_from_one_character_on(shop: Any) -> None:
    kettle = shop.talk("The KETTLE leaks")
    chinese = shop.talk("我买的水壶漏水了，要退货")
    wide = shop.talk("ＸＬ 号太大")
    for word in ("水壶", "壶", "退货", "货", "我买的水壶漏水", "，"):
        assert found(shop, word) == {chinese}, word
    for word in ("kettle", "ETTL", "KE", "k"):
        assert found(shop, word) == {kettle}, word
    assert found(shop, "xl") == found(shop, "Xl") == {wide}
    assert found(shop, "货要") == found(shop, "kettles") == found(shop, "壶的") == set()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.text(LETTERS, min_size=1, max_size=12), asked=st.text(LETTERS.replace(" ", ""), min_size=1, max_size=4))
def test_a_word_is_found_where_it_is_and_nowhere_else(shop: Any, said: str, asked: str) -> None:
    conv = shop.talk(said)
    assert (conv in found(shop, asked)) == (fold(asked) in fold(said))


def test_what_is_erased_leaves_the_index(shop: Any) -> None:
    gone, kept = shop.talk("my secret zqxword"), shop.talk("another zqyword")
    shop.write(erase_conversation, gone, now=shop.now)
    assert found(shop, "zqxword") == set()
    assert found(shop, "zq") == {kept}
    rows = shop.rows(select(event_text.c.conversation_id))
    assert [row["conversation_id"] for row in rows] == [kept]
    forget_pages(shop.storage.url)
    file = sqlite_file(shop.storage.url)
    if file is not None:
        with closing(sqlite3.connect(file)) as connection:
            blocks = b"".join(row[0] for row in connection.execute("SELECT block FROM event_fts_data"))
            connection.execute("INSERT INTO event_fts(event_fts, rank) VALUES('integrity-check', 1)")
        assert b"zqx" not in blocks
        assert b"zqxword" not in file.read_bytes()
    assert found(shop, "zqyword") == {kept}


def test_deleted_words_are_in_the_index_until_its_parts_are_merged(shop: Any) -> None:
    """Why `forget` is needed, and that the test above looks in the right place."""
    file = sqlite_file(shop.storage.url)
    if file is None:
        return
    gone = shop.talk("zqxword")
    shop.write(lambda connection: connection.execute(delete(event).where(event.c.conversation_id == gone)))
    with closing(sqlite3.connect(file)) as connection:
        blocks = b"".join(row[0] for row in connection.execute("SELECT block FROM event_fts_data"))
    assert b"zqx" in blocks


def test_what_was_said_before_the_index_was_there_is_found(database_url: str) -> None:
    migrate.downgrade(database_url, "0002")
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO site(id, key, name, locale, currency, origins, anonymous_allowed, holdout_rate, holdout_salt,"
                 " settings, created_at) VALUES ('s', 's', 's', 'en', 'EUR', '[]', true, 0, 'x', '{}', 1)")
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO contact(id, site_id, customer_key, verified, attributes, first_seen_at)"
                 " VALUES ('p', 's', 'k', false, '{}', 1)")
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO conversation(id, site_id, contact_id, epoch, status, holder, assign_epoch, head, seen_seq, channel,"
                 " locale, reasons, created_at, updated_at)"
                 " VALUES ('c', 's', 'p', 'e', 'open', 'bot', 0, 3, 0, 'web', 'zh', '[]', 1, 1)")
        )  # fmt: skip
        for seq, body in enumerate(("我想退货", None, "  "), start=1):
            connection.execute(
                text("INSERT INTO event(conversation_id, seq, id, sender, kind, body, data, at)"
                     " VALUES ('c', :seq, :id, 'contact', 'message', :body, '{}', 1)"),
                {"seq": seq, "id": f"e{seq}", "body": body},
            )  # fmt: skip
    migrate.upgrade(database_url)
    with engine.connect() as connection:
        assert connection.execute(conversations_with(connection.dialect.name, "退货")).scalars().all() == ["c"]
        assert connection.execute(select(event_text.c.seq)).scalars().all() == [1]
    engine.dispose()


def _plan(connection: Any, word: str) -> str:
    query = conversations_with(connection.dialect.name, word)
    said = str(query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    how = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql((how + said).replace("%", "%%")))


@pytest.mark.parametrize("word", ["退货", "货", "parcel"])
def test_the_index_is_used(shop: Any, word: str) -> None:
    conv = shop.talk("where is my parcel", "我要退货")
    rows = [
        {"conversation_id": conv, "seq": seq, "id": f"x{seq}", "sender": "bot", "kind": "message", "body": None,
         "data": {}, "at": 1}
        for seq in range(3, 8003)
    ]  # fmt: skip
    texts = [{"conversation_id": conv, "seq": row["seq"], "text": f"number {row['seq']}  "} for row in rows]
    shop.write(lambda connection: connection.execute(event.insert(), rows))
    shop.write(lambda connection: connection.execute(event_text.insert(), texts))
    if shop.storage.dialect == "postgresql":
        shop.write(lambda connection: connection.exec_driver_sql("ANALYZE event_text") and None)
    plan = shop.read(lambda connection: _plan(connection, word))
    if shop.storage.dialect == "postgresql":
        assert fulltext.POSTGRES_INDEX in plan
        assert "Seq Scan" not in plan
    else:
        assert "SEARCH event_text USING INTEGER PRIMARY KEY" in plan
        assert "SCAN event_text\n" not in plan + "\n"
