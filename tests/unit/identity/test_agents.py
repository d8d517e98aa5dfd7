"""Log-in: right, wrong, unknown, locked; passwords are never stored; the audit trail holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, delete, insert, select, update

from assistant.errors import BadInput, Conflict, NotAllowed, RateLimited
from assistant.identity import agents, audit
from assistant.identity.agents import LogIn, create_agent, lock_ms
from assistant.ids import new_id
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, metadata, site
from assistant.storage.tables import audit as trail

PASSWORD = "correct horse battery"


class Clock:
    now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(f"sqlite:///{(tmp_path / 'test.db').as_posix()}")
    yield storage
    storage.close()


@pytest.fixture
def site_id(storage: Storage) -> str:
    site_id = new_id()

    def work(connection: Connection) -> None:
        metadata.create_all(connection)
        connection.execute(
            insert(site).values(id=site_id, key="s", name="S", origins=[], holdout_salt="x", created_at=1)
        )
        create_agent(connection, site_id=site_id, login=" Mara@Shop ", name="Mara", password=PASSWORD, now=1)

    storage.write_sync(work)
    return site_id


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log_in(storage: Storage, site_id: str, clock: Clock) -> LogIn:
    return LogIn(storage, clock)


def failures(storage: Storage) -> int:
    return int(storage.read_sync(lambda connection: connection.execute(select(agent.c.failed_logins)).scalar_one()))


async def test_the_right_password_lets_in_whatever_the_case_of_the_login(log_in: LogIn, site_id: str) -> None:
    who = await log_in.check("MARA@shop", PASSWORD)
    assert (who.name, who.role, who.site_id, who.sender) == ("Mara", "agent", site_id, f"agent:{who.id}")


async def test_only_an_argon2id_hash_is_stored(storage: Storage, site_id: str) -> None:
    stored = storage.read_sync(lambda connection: connection.execute(select(agent.c.password_hash)).scalar_one())
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


async def test_wrong_password_unknown_login_and_disabled_agent_get_the_same_answer(
    log_in: LogIn, storage: Storage
) -> None:
    answers = []
    for login, password in (("mara@shop", "wrong"), ("nobody", PASSWORD)):
        with pytest.raises(NotAllowed) as error:
            await log_in.check(login, password)
        answers.append((error.value.reason, str(error.value)))
    storage.write_sync(lambda connection: connection.execute(update(agent).values(disabled=True)))
    with pytest.raises(NotAllowed) as error:
        await log_in.check("mara@shop", PASSWORD)
    answers.append((error.value.reason, str(error.value)))
    assert len(set(answers)) == 1


async def test_an_unknown_login_is_hashed_for_too(log_in: LogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    verify = agents._verify
    monkeypatch.setattr(agents, "_verify", lambda stored, given: hashed.append(stored) or verify(stored, given))
    for login in ("mara@shop", "nobody"):
        with pytest.raises(NotAllowed):
            await log_in.check(login, "wrong")
    assert len(hashed) == 2
    assert all(stored.startswith("$argon2id$") for stored in hashed)


@pytest.mark.parametrize("login", ["mara@shop", "nobody"])
async def test_the_fifth_failure_locks_for_a_growing_time_known_or_not(log_in: LogIn, clock: Clock, login: str) -> None:
    for _ in range(5):
        with pytest.raises(NotAllowed):
            await log_in.check(login, "wrong")
    with pytest.raises(RateLimited) as locked:
        await log_in.check(login, PASSWORD)
    assert (locked.value.reason, locked.value.after_ms) == ("locked", 30_000)
    clock.now += 30_001
    with pytest.raises(NotAllowed):
        await log_in.check(login, "wrong")
    with pytest.raises(RateLimited) as locked:
        await log_in.check(login, PASSWORD)
    assert locked.value.after_ms == 60_000


def test_the_lock_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert [lock_ms(n) for n in (0, 4, 5, 6, 7, 8, 9, 10, 99)] == [
        0, 0, 30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000,
    ]  # fmt: skip


async def test_success_forgets_the_failures(log_in: LogIn, storage: Storage) -> None:
    for _ in range(4):
        with pytest.raises(NotAllowed):
            await log_in.check("mara@shop", "wrong")
    await log_in.check("mara@shop", PASSWORD)
    assert failures(storage) == 0


async def test_guesses_at_the_same_time_count_as_many(log_in: LogIn, storage: Storage) -> None:
    results = await asyncio.gather(*(log_in.check("mara@shop", "wrong") for _ in range(12)), return_exceptions=True)
    assert sum(type(result) is NotAllowed for result in results) == 5
    assert sum(type(result) is RateLimited for result in results) == 7


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"password": "short"}, "bad_password"),
        ({"password": "x" * 201}, "bad_password"),
        ({"login": "  "}, "bad_login"),
        ({"role": "god"}, "unknown_role"),
        ({"capacity": 0}, "bad_capacity"),
    ],
)
def test_agents_are_checked_when_they_are_made(
    storage: Storage, site_id: str, values: dict[str, object], code: str
) -> None:
    made = {"site_id": site_id, "login": "x", "name": "X", "password": PASSWORD, "now": 1, **values}
    with pytest.raises(BadInput) as error:
        storage.write_sync(lambda connection: create_agent(connection, **made))
    assert error.value.reason == code


def test_a_login_belongs_to_one_agent(storage: Storage, site_id: str) -> None:
    with pytest.raises(Conflict) as error:
        storage.write_sync(
            lambda connection: create_agent(
                connection, site_id=site_id, login="mara@SHOP", name="M", password=PASSWORD, now=1
            )
        )
    assert error.value.reason == "login_taken"


async def test_attempts_and_logins_are_in_the_audit_trail(log_in: LogIn, storage: Storage) -> None:
    with pytest.raises(NotAllowed):
        await log_in.check("nobody", "wrong")
    who = await log_in.check("mara@shop", PASSWORD)
    rows = storage.read_sync(
        lambda connection: connection.execute(select(trail.c.actor, trail.c.action).order_by(trail.c.id)).all()
    )
    assert [tuple(row) for row in rows] == [
        ("unknown", "login_attempt"),
        (who.sender, "login_attempt"),
        (who.sender, "login"),
    ]


@pytest.mark.parametrize("tamper", ["change", "remove", "swap"])
def test_tampering_with_the_audit_trail_shows(storage: Storage, site_id: str, tamper: str) -> None:
    def write(connection: Connection) -> None:
        for number in range(5):
            audit.record(
                connection,
                actor="agent:x",
                action="transcript_read",
                object=str(number),
                data={"n": number},
                now=number,
            )

    storage.write_sync(write)
    assert storage.read_sync(audit.verify) is None

    def spoil(connection: Connection) -> None:
        if tamper == "change":
            connection.execute(update(trail).where(trail.c.id == 3).values(data={"n": 99}))
        elif tamper == "remove":
            connection.execute(delete(trail).where(trail.c.id == 3))
        else:
            connection.execute(update(trail).where(trail.c.id == 3).values(id=99))

    storage.write_sync(spoil)
    assert storage.read_sync(audit.verify) == (3 if tamper == "change" else 4)
