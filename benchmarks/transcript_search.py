"""What the full-text index of transcripts costs and what it saves.

`python -m benchmarks.transcript_search [--messages 100000] [--url URL]` prints one JSON object.

`append_us`: processor time of storing a message, in commits of 32, without the index and with it, English (12 words) and Chinese
(20 characters). For words that 20 of all messages hold: `index_ms` through the index, `scan_ms` with every message looked at,
`ratio` scan over index, `list_ms` the whole first page as the desk asks for it. Processor time of this process; on PostgreSQL,
where the server does the work, time on the clock. Medians of five.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select

from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.ids import new_id
from assistant.review.search import Search, find
from assistant.storage import fulltext, migrate
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, conversation, event, event_text, site

ENGLISH = (
    *(
        "the",
        "parcel",
        "has",
        "not",
        "come",
        "and",
        "i",
        "want",
        "my",
        "money",
        "back",
        "please",
        "help",
        "price",
        "too",
        "high",
    ),
    *("cancel", "order", "where", "is", "it"),
)
CHINESE = "我想知道水壶漏了请帮忙价格太高取消订单什么时候到"
RARE = ("walrus", "退货单", "退货", "鲸")
TURNS = 10
EVERY = 20  # messages that hold each of the rare words
COMMIT = 32


def said(draw: random.Random, *, chinese: bool) -> str:
    """A message of nothing in particular."""
    return "".join(draw.choices(CHINESE, k=20)) if chinese else " ".join(draw.choices(ENGLISH, k=12))


def fill(connection: Connection, messages: int) -> str:
    """A shop with so many messages, ten a conversation; returns its id."""
    draw = random.Random(7)
    site_id, person = new_id(), new_id()
    connection.execute(
        insert(site).values(id=site_id, key=site_id, name="s", origins=[], holdout_salt="x", created_at=1)
    )
    connection.execute(
        insert(contact).values(id=person, site_id=site_id, customer_key=person, name="Jonas", first_seen_at=1)
    )
    step = messages // EVERY
    for start in range(0, messages, 10_000):
        rows, texts, talks = [], [], []
        for number in range(start, min(start + 10_000, messages)):
            if number % TURNS == 0:
                talks.append(
                    {
                        "id": new_id(),
                        "site_id": site_id,
                        "contact_id": person,
                        "epoch": "e",
                        "created_at": number,
                        "updated_at": number,
                    }
                )
            body = said(draw, chinese=number % 2 == 0)
            if number % step == step // 2:
                body = f"{body} {' '.join(RARE)}"
            seq = number % TURNS + 1
            rows.append(
                {
                    "conversation_id": talks[-1]["id"],
                    "seq": seq,
                    "id": new_id(),
                    "sender": "contact",
                    "kind": "message",
                    "body": body,
                    "at": number,
                }
            )
            texts.append({"conversation_id": talks[-1]["id"], "seq": seq, "text": fulltext.fold(body) + "  "})
        connection.execute(insert(conversation), talks)
        connection.execute(insert(event), rows)
        connection.execute(insert(event_text), texts)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE")
    return site_id


def scan(connection: Connection, word: str) -> int:
    """How many conversations hold a word, by looking at every message."""
    hit = event.c.body.icontains(word, autoescape=True)
    return int(connection.execute(select(func.count(event.c.conversation_id.distinct())).where(hit)).scalar_one())


def searches(storage: Storage, site_id: str) -> dict[str, dict[str, float]]:
    """By rare word: ms of index, scan and whole list, and scan over index. Raises when they find different things."""
    clock = time.process_time if storage.dialect == "sqlite" else time.perf_counter

    def median(work: Callable[[Connection], Any]) -> tuple[float, Any]:
        times, found = [], None
        for _ in range(5):
            started = clock()
            found = storage.read_sync(work)
            times.append(1000 * (clock() - started))
        return statistics.median(times), found

    measured = {}
    for word in RARE:
        found = fulltext.conversations_with(storage.dialect, word)
        index_ms, hits = median(lambda c, found=found: {row[0] for row in c.execute(found)})  # type: ignore[misc]
        list_ms, page = median(
            lambda c, word=word: find(c, site_id, Search(words=word), cursor=None, limit=50)  # type: ignore[misc]
        )
        scan_ms, count = median(lambda c, word=word: scan(c, word))  # type: ignore[misc]
        if not page.total == count == len(hits):
            raise AssertionError(f"{word}: {len(hits)} by the index, {page.total} listed, {count} by looking")
        measured[word] = {
            "index_ms": index_ms,
            "scan_ms": scan_ms,
            "ratio": scan_ms / index_ms,
            "list_ms": list_ms,
            "found": count,
        }
    return measured


def appends(storage: Storage, *, chinese: bool, indexed: bool, commits: int = 60) -> float:
    """Processor time of storing a message, in microseconds."""
    draw = random.Random(3)

    def opened(connection: Connection) -> list[str]:
        row = connection.execute(select(contact.c.site_id, contact.c.id).limit(1)).one()
        return [
            open_conversation(connection, site_id=row.site_id, contact_id=row.id, locale="en", now=1) for _ in range(20)
        ]

    talks = storage.write_sync(opened)

    def batch(connection: Connection) -> None:
        for _ in range(COMMIT):
            new = NewEvent("contact", "message", body=said(draw, chinese=chinese), cmid=str(uuid4()))
            append(connection, draw.choice(talks), new, now=1)

    with patch.object(fulltext, "add", fulltext.add if indexed else lambda *_: None):
        started = time.process_time()
        for _ in range(commits):
            storage.write_sync(batch)
        return 1e6 * (time.process_time() - started) / (commits * COMMIT)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--url", help="an empty PostgreSQL database; default: a new SQLite file")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        url = chosen.url or f"sqlite:///{(Path(folder) / 'search.db').as_posix()}"
        migrate.upgrade(url)
        storage = Storage(url)
        site_id = storage.write_sync(lambda connection: fill(connection, chosen.messages))
        measured: dict[str, Any] = {
            "messages": chosen.messages,
            "database": storage.dialect,
            "searches": searches(storage, site_id),
        }
        if storage.dialect == "sqlite":
            measured["append_us"] = {
                language: {
                    name: appends(storage, chinese=language == "zh", indexed=indexed)
                    for name, indexed in (("without", False), ("with", True))
                }
                for language in ("en", "zh")
            }
        storage.close()
    print(json.dumps(measured, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
