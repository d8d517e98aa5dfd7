"""Conversations as files: what they hold, what was taken out, and that training and replay read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, update

from assistant.conversations import store, transcripts
from assistant.conversations.store import NewEvent
from assistant.storage.engine import Storage
from assistant.storage.tables import event
from risk.conversation import data

NOW = 1_795_000_000_000
SAID = [
    NewEvent("contact", "message", body="My order is late, write to anna@example.com"),
    NewEvent("bot", "message", body="I am sorry."),
    NewEvent("agent:01ABC", "note", body="Her number is 13812345678"),
    NewEvent("agent:01ABC", "message", body="I called +49 170 1234567."),
    NewEvent("system", "joined"),
]


@pytest.fixture
def written(storage: Storage, site_id: str, conv: str) -> Any:
    """Says what is in SAID, and exports."""

    def say(connection: Connection) -> None:
        for at, one in enumerate(SAID):
            store.append(connection, conv, one, now=NOW + at)
        store.rate(connection, conv, 2)

    storage.write_sync(say)

    def export(**options: Any) -> list[dict[str, Any]]:
        lines = storage.read_sync(lambda c: list(transcripts.export(c, site_id=site_id, **options)))
        return [orjson.loads(line) for line in lines]

    return export


def test_what_was_said_is_redacted_and_notes_stay_here(written: Any, conv: str) -> None:
    assert written() == [
        {
            "id": conv,
            "language": "en",
            "customer_id": "key",
            "satisfaction": 0,
            "messages": [
                {"role": "customer", "text": "My order is late, write to [email]", "at_ms": NOW},
                {"role": "bot", "text": "I am sorry.", "at_ms": NOW + 1},
                {"role": "agent", "text": "I called [phone].", "at_ms": NOW + 3},
            ],
        }
    ]


def test_it_is_as_it_was_written_when_asked_for(written: Any) -> None:
    (found,) = written(redacted=False)
    assert [message["text"] for message in found["messages"]] == [SAID[0].body, SAID[1].body, SAID[3].body]


def test_a_period_and_another_site_leave_out(written: Any, storage: Storage, site_id: str, contact_id: str) -> None:
    assert len(written(since=1, until=2)) == 1  # it began at 1
    assert written(since=2) == written(until=1) == []
    assert storage.read_sync(lambda c: list(transcripts.export(c, site_id="another"))) == []
    storage.write_sync(  # in which nobody has said anything
        lambda c: store.open_conversation(c, site_id=site_id, contact_id=contact_id, locale="zh-CN", now=3)
    )
    assert len(written()) == 1


def test_what_is_erased_is_not_in_it(written: Any, storage: Storage, conv: str) -> None:
    storage.write_sync(lambda c: c.execute(update(event).where(event.c.conversation_id == conv).values(body=None)))
    assert written() == []


def test_training_reads_it(written: Any, storage: Storage, site_id: str, tmp_path: Path) -> None:
    path = tmp_path / "conversations.jsonl"
    path.write_bytes(b"".join(storage.read_sync(lambda c: list(transcripts.export(c, site_id=site_id)))))
    (found,) = data.read([path])
    assert (found.customer, found.language, found.level) == ("key", "en", data.DISSATISFIED)
    assert [(message.role, message.at_ms) for message in found.messages] == [
        ("contact", NOW),
        ("bot", NOW + 1),
        ("agent", NOW + 3),
    ]
