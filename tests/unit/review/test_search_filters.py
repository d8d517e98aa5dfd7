"""The filters behind the supervisor's chips, and the agents of the live view, over a real SQLite database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from assistant.conversations.store import open_conversation
from assistant.escalation import presence, view
from assistant.escalation.frames import TeamMember
from assistant.ids import new_id
from assistant.outcomes import store as outcomes
from assistant.review import search
from assistant.review.search import Search
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, contact, conversation, metadata, site, task

NOW = 1_800_000_000_000


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(f"sqlite:///{(tmp_path / 'test.db').as_posix()}")
    storage.write_sync(metadata.create_all)
    yield storage
    storage.close()


@pytest.fixture
def site_id(storage: Storage) -> str:
    key = new_id()
    row = {"id": key, "key": key, "name": "Shop", "origins": [], "holdout_salt": "salt", "created_at": NOW}
    storage.write_sync(lambda connection: connection.execute(insert(site).values(row)))
    return key


def talk(storage: Storage, site_id: str, **values: Any) -> str:
    def work(connection: Connection) -> str:
        contact_id = new_id()
        connection.execute(
            insert(contact).values(
                id=contact_id, site_id=site_id, customer_key=f"key-{contact_id}", name="Jonas", first_seen_at=NOW
            )
        )
        conv = open_conversation(connection, site_id=site_id, contact_id=contact_id, locale="en", now=NOW)
        if values:
            connection.execute(update(conversation).where(conversation.c.id == conv).values(**values))
        return conv

    return storage.write_sync(work)


def hire(storage: Storage, site_id: str, name: str, **values: Any) -> str:
    agent_id = new_id()
    row = {"id": agent_id, "site_id": site_id, "login": agent_id, "name": name, "password_hash": "-", "role": "agent"}
    storage.write_sync(lambda connection: connection.execute(insert(agent).values(row | {"created_at": NOW} | values)))
    return agent_id


def give_task(storage: Storage, site_id: str, conv: str, **values: Any) -> None:
    row = {"id": new_id(), "site_id": site_id, "conversation_id": conv, "reason": "high_risk", "queued_at": NOW}
    row |= {"state": "queued", "created_at": NOW, "declined_by": [], "skills": []} | values
    storage.write_sync(lambda connection: connection.execute(insert(task).values(row)))


def answer_offer(storage: Storage, site_id: str, conv: str, kind: str) -> None:
    storage.write_sync(
        lambda connection: outcomes.record(
            connection,
            site_id=site_id,
            idempotency_key=f"{kind}:{conv}",
            type=kind,
            source="widget",
            ts_event=NOW,
            now=NOW,
            conversation_id=conv,
            customer_key=f"key-of-{conv}",
        )
    )


def found(storage: Storage, site_id: str, chosen: Search) -> set[str]:
    page = storage.read_sync(lambda connection: search.find(connection, site_id, chosen, cursor=None, limit=50))
    assert page.total == len(page.conversations)
    return {line["id"] for line in page.conversations}


def test_escalated_or_not(storage: Storage, site_id: str) -> None:
    calm, called = talk(storage, site_id), talk(storage, site_id)
    give_task(storage, site_id, called, state="done")
    assert found(storage, site_id, Search(escalated=True)) == {called}
    assert found(storage, site_id, Search(escalated=False)) == {calm}
    assert found(storage, site_id, Search()) == {calm, called}


def test_how_an_offer_was_answered(storage: Storage, site_id: str) -> None:
    talk(storage, site_id)
    took, refused = talk(storage, site_id), talk(storage, site_id)
    answer_offer(storage, site_id, took, "accept")
    answer_offer(storage, site_id, refused, "decline")
    assert found(storage, site_id, Search(offer="accepted")) == {took}
    assert found(storage, site_id, Search(offer="declined")) == {refused}


def test_low_ratings_leave_out_conversations_without_one(storage: Storage, site_id: str) -> None:
    talk(storage, site_id)
    low = talk(storage, site_id, csat=2)
    talk(storage, site_id, csat=4)
    assert found(storage, site_id, Search(csat_max=2)) == {low}


def test_agents_with_presence_and_load(storage: Storage, site_id: str) -> None:
    here, gone = hire(storage, site_id, "Anna", capacity=3), hire(storage, site_id, "Zoe")
    hire(storage, site_id, "Former", disabled=True)
    storage.write_sync(lambda connection: presence.beat(connection, here, now=NOW))
    storage.write_sync(lambda connection: presence.beat(connection, gone, now=NOW - presence.LEASE_MS))
    give_task(storage, site_id, talk(storage, site_id), state="assigned", agent_id=here)
    give_task(storage, site_id, talk(storage, site_id), state="wrap_up", agent_id=here)
    give_task(storage, site_id, talk(storage, site_id), state="done", agent_id=here)
    assert storage.read_sync(lambda connection: view.team(connection, site_id, now=NOW)) == [
        TeamMember(id=here, name="Anna", presence="available", load=2, capacity=3),
        TeamMember(id=gone, name="Zoe", presence="offline", load=0, capacity=4),
    ]
