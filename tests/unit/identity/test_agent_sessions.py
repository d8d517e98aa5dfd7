"""Sessions of agents and their one-time socket tickets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, insert, select, update

from assistant.errors import NotAllowed
from assistant.identity import agents, sessions
from assistant.identity.agents import Agent, create_agent
from assistant.ids import new_id
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, agent_session, metadata, site, socket_ticket

NOW = 1_800_000_000_000
LIFE = 3_600_000


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(f"sqlite:///{(tmp_path / 'test.db').as_posix()}")
    storage.write_sync(metadata.create_all)
    yield storage
    storage.close()


@pytest.fixture
def who(storage: Storage) -> Agent:
    site_id = new_id()

    def work(connection: Connection) -> str:
        connection.execute(
            insert(site).values(id=site_id, key="s", name="S", origins=[], holdout_salt="x", created_at=1)
        )
        return create_agent(connection, site_id=site_id, login="mara", name="Mara", password="long enough", now=1)

    return Agent(storage.write_sync(work), site_id, "Mara", "agent")


def start(storage: Storage, who: Agent, now: int = NOW) -> tuple[str, sessions.Session]:
    return storage.write_sync(lambda connection: sessions.start(connection, who, now=now, life_ms=LIFE))


def find(storage: Storage, token: str, now: int = NOW) -> sessions.Session:
    return storage.read_sync(lambda connection: sessions.find(connection, sessions.hash_token(token), now=now))


def redeem(storage: Storage, ticket: str, now: int = NOW) -> sessions.Session:
    return storage.write_sync(lambda connection: sessions.redeem_ticket(connection, ticket, now=now))


def issue(storage: Storage, session: sessions.Session) -> str:
    return storage.write_sync(lambda connection: sessions.issue_ticket(connection, session, now=NOW))


def test_a_session_is_found_by_its_token_which_is_not_stored(storage: Storage, who: Agent) -> None:
    token, session = start(storage, who)
    found = find(storage, token)
    assert (found.agent.id, found.csrf) == (who.id, session.csrf)
    stored = storage.read_sync(lambda connection: connection.execute(select(agent_session)).mappings().one())
    assert token not in str(dict(stored))
    with pytest.raises(NotAllowed):
        find(storage, token + "x")


def test_a_session_ends_by_time_by_logout_and_when_the_agent_is_disabled(storage: Storage, who: Agent) -> None:
    token, session = start(storage, who)
    find(storage, token, NOW + LIFE - 1)
    with pytest.raises(NotAllowed):
        find(storage, token, NOW + LIFE)
    storage.write_sync(lambda connection: connection.execute(update(agent).values(disabled=True)))
    with pytest.raises(NotAllowed):
        find(storage, token)
    storage.write_sync(lambda connection: connection.execute(update(agent).values(disabled=False)))
    find(storage, token)
    storage.write_sync(lambda connection: sessions.end(connection, session.token_hash))
    with pytest.raises(NotAllowed):
        find(storage, token)


def test_a_session_knows_the_agents_role_as_it_is_now(storage: Storage, who: Agent) -> None:
    token, _ = start(storage, who)
    storage.write_sync(lambda connection: connection.execute(update(agent).values(role="supervisor")))
    assert find(storage, token).agent.role == "supervisor"


def test_a_ticket_is_good_once(storage: Storage, who: Agent) -> None:
    _, session = start(storage, who)
    ticket = issue(storage, session)
    assert redeem(storage, ticket).agent.id == who.id
    with pytest.raises(NotAllowed):
        redeem(storage, ticket)


def test_a_ticket_is_good_for_half_a_minute(storage: Storage, who: Agent) -> None:
    _, session = start(storage, who)
    redeem(storage, issue(storage, session), NOW + 29_999)
    with pytest.raises(NotAllowed):
        redeem(storage, issue(storage, session), NOW + 30_000)


def test_a_ticket_dies_with_its_session(storage: Storage, who: Agent) -> None:
    _, session = start(storage, who)
    ticket = issue(storage, session)
    storage.write_sync(lambda connection: sessions.end(connection, session.token_hash))
    with pytest.raises(NotAllowed):
        redeem(storage, ticket)


def test_sessions_and_tickets_that_have_run_out_are_swept_away(storage: Storage, who: Agent) -> None:
    _, session = start(storage, who)
    issue(storage, session)
    start(storage, who, NOW + LIFE)
    left = storage.read_sync(
        lambda connection: [len(connection.execute(select(table)).all()) for table in (agent_session, socket_ticket)]
    )
    assert left == [1, 0]
