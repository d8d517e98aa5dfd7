"""Agents: who they are, how they log in. Passwords are Argon2id; a log-in is locked for a growing time after repeated failures.

Unknown log-ins cost the same time and lock in the same way, so that an answer never tells whether a log-in exists.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from assistant.errors import BadInput, Conflict, NotAllowed, RateLimited
from assistant.identity import audit, revocation
from assistant.ids import new_id
from assistant.storage.engine import Storage
from assistant.storage.tables import agent as agents
from assistant.storage.tables import agent_session

Role = Literal["agent", "supervisor", "admin"]
ROLES: Final[tuple[Role, ...]] = ("agent", "supervisor", "admin")

MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 200
MOST_CAPACITY: Final = 100
UNUSABLE: Final = "!"  # in place of a hash: no password opens this
FREE_FAILURES: Final = 4  # the fifth failure in a row locks
FIRST_LOCK_MS: Final = 30_000  # doubled with each further failure
LONGEST_LOCK_MS: Final = 15 * 60_000
UNKNOWN_REMEMBERED: Final = 1_000
HASHES_AT_ONCE: Final = 2  # each takes 64 MiB

_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who works for the shop."""

    id: str
    site_id: str
    name: str
    role: Role
    languages: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    capacity: int = 4

    @property
    def sender(self) -> str:
        """How events and the holder name this agent."""
        return f"agent:{self.id}"

    @property
    def supervises(self) -> bool:
        """Whether the agent may see and do what supervisors may."""
        return self.role in ("supervisor", "admin")


def create_agent(
    connection: Connection,
    *,
    site_id: str,
    login: str,
    name: str,
    password: str | None,
    role: Role = "agent",
    languages: Sequence[str] = (),
    skills: Sequence[str] = (),
    capacity: int = 4,
    now: int,
) -> str:
    """Adds an agent and returns the id; without a password the agent logs in elsewhere (`oidc`). Hashes the password, which takes
    about 50 ms: for commands, not for the server's writer.

    Raises BadInput (codes `unknown_role`, `bad_login`, `bad_password`, `bad_capacity`) and Conflict(`login_taken`).
    """
    login = normalise_login(login)
    if role not in ROLES:
        raise BadInput(f"unknown role; known: {', '.join(ROLES)}", code="unknown_role")
    if not 1 <= len(login) <= 120:
        raise BadInput("a log-in has 1 to 120 characters", code="bad_login")
    if not 1 <= capacity <= MOST_CAPACITY:
        raise BadInput(f"capacity is 1 to {MOST_CAPACITY} conversations at once", code="bad_capacity")
    if connection.execute(select(agents.c.id).where(agents.c.login == login)).first() is not None:
        raise Conflict("this log-in is taken", code="login_taken")
    agent_id = new_id()
    connection.execute(
        insert(agents).values(
            id=agent_id,
            site_id=site_id,
            login=login,
            name=name[:200],
            password_hash=UNUSABLE if password is None else hash_password(password),
            role=role,
            languages=list(languages),
            skills=list(skills),
            capacity=capacity,
            created_at=now,
        )
    )
    return agent_id


def change_agent(
    connection: Connection,
    agent_id: str,
    *,
    now: int,
    role: Role | None = None,
    password: str | None = None,
    disabled: bool | None = None,
    name: str | None = None,
    languages: Sequence[str] | None = None,
    capacity: int | None = None,
) -> int:
    """Changes an agent; None: stays. Another role or password, or being disabled, ends the agent's log-ins, which are counted.

    A new password also lifts a lock. Raises BadInput as `create_agent` does. Hashes the password: for commands, not for the
    server's writer.
    """
    if role is not None and role not in ROLES:
        raise BadInput(f"unknown role; known: {', '.join(ROLES)}", code="unknown_role")
    if capacity is not None and not 1 <= capacity <= MOST_CAPACITY:
        raise BadInput(f"capacity is 1 to {MOST_CAPACITY} conversations at once", code="bad_capacity")
    said = {
        "role": role,
        "disabled": disabled,
        "name": name and name[:200],
        "languages": languages and list(languages),
        "capacity": capacity,
    }
    values: dict[str, Any] = {column: value for column, value in said.items() if value is not None}
    if password is not None:
        values |= {"password_hash": hash_password(password), "failed_logins": 0, "locked_until": None}
    if not values:
        return 0
    before = connection.execute(select(agents).where(agents.c.id == agent_id)).mappings().one()
    connection.execute(update(agents).where(agents.c.id == agent_id).values(**values))
    data = {"columns": sorted(values), **({"role": role} if role is not None else {})}
    audit.record(connection, actor="system", action="agent_changed", object=agent_id, data=data, now=now)
    if disabled or password is not None or role not in (None, before["role"]):
        return end_log_ins(connection, agent_id)
    return 0


def end_log_ins(connection: Connection, agent_id: str) -> int:
    """Ends every log-in of an agent, and returns how many there were; consoles that are open close with 4401."""
    ended = connection.execute(delete(agent_session).where(agent_session.c.agent_id == agent_id)).rowcount
    revocation.note(connection)
    return ended


def hash_password(password: str) -> str:
    """The Argon2id hash of a new password, about 50 ms later. Raises BadInput(`bad_password`)."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise BadInput(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters", code="bad_password")
    return _hasher.hash(password)


def to_agent(row: RowMapping) -> Agent:
    """A row of `agent`."""
    return Agent(
        id=row["id"],
        site_id=row["site_id"],
        name=row["name"],
        role=row["role"],
        languages=tuple(row["languages"]),
        skills=tuple(row["skills"]),
        capacity=row["capacity"],
    )


def normalise_login(login: str) -> str:
    """Log-ins do not differ by case or outer spaces."""
    return login.strip().casefold()


def lock_ms(failures: int) -> int:
    """How long a log-in is locked after so many failures in a row."""
    if failures <= FREE_FAILURES:
        return 0
    return int(min(FIRST_LOCK_MS * 2 ** min(failures - FREE_FAILURES - 1, 20), LONGEST_LOCK_MS))


@dataclass(slots=True)
class _Attempt:
    agent: Agent | None
    password_hash: str
    locked_until: int


@dataclass(slots=True)
class LogIn:
    """Checks log-ins. One for a server."""

    storage: Storage
    clock: Callable[[], int]
    _unknown: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)  # hash → (failures, locked until)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HASHES_AT_ONCE))
    _decoy: str = field(default_factory=lambda: _hasher.hash(new_id()))

    async def check(self, login: str, password: str) -> Agent:
        """The agent with this log-in and password.

        The failure is written down before the password is looked at, so that many guesses at once count as many.
        Raises NotAllowed (the same for an unknown log-in, a wrong password and a disabled agent) and RateLimited while locked.
        """
        login = normalise_login(login)
        now = self.clock()
        attempt = await self.storage.write(lambda connection: self._begin(connection, login, now))
        if attempt.locked_until > now:
            raise RateLimited("too many failed log-ins", code="locked", after_ms=attempt.locked_until - now)
        async with self._slots:
            right = await asyncio.to_thread(_verify, attempt.password_hash, password)
        found = attempt.agent
        if not right or found is None:
            raise NotAllowed("log-in or password is wrong", code="bad_login")
        await self.storage.write(lambda connection: _succeed(connection, found, now))
        return found

    def _begin(self, connection: Connection, login: str, now: int) -> _Attempt:
        row = connection.execute(select(agents).where(agents.c.login == login).with_for_update()).mappings().first()
        if row is None or row["disabled"]:
            return _Attempt(None, self._decoy, self._count_unknown(connection, login, now))
        locked_until = row["locked_until"] or 0
        if locked_until <= now:
            failures = row["failed_logins"] + 1
            connection.execute(
                update(agents)
                .where(agents.c.id == row["id"])
                .values(failed_logins=failures, locked_until=now + lock_ms(failures) if lock_ms(failures) else None)
            )
        audit.record(connection, actor=f"agent:{row['id']}", action="login_attempt", now=now)
        usable = row["password_hash"] != UNUSABLE  # else: the time that a hash takes, and never right
        return _Attempt(to_agent(row), row["password_hash"] if usable else self._decoy, locked_until)

    def _count_unknown(self, connection: Connection, login: str, now: int) -> int:
        key = hashlib.sha256(login.encode()).hexdigest()
        failures, locked_until = self._unknown.pop(key, (0, 0))
        before = locked_until
        if locked_until <= now:
            failures += 1
            locked_until = now + lock_ms(failures) if lock_ms(failures) else 0
        self._unknown[key] = (failures, locked_until)
        while len(self._unknown) > UNKNOWN_REMEMBERED:
            self._unknown.popitem(last=False)
        audit.record(connection, actor="unknown", action="login_attempt", now=now)
        return before


def _succeed(connection: Connection, found: Agent, now: int) -> None:
    connection.execute(update(agents).where(agents.c.id == found.id).values(failed_logins=0, locked_until=None))
    audit.record(connection, actor=found.sender, action="login", now=now)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
