"""A shop with agents and conversations in a real database of either kind, and a clock that stands still until told otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import Connection, insert, select

from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.escalation import commands, presence, store
from assistant.escalation.sweeper import Rules, sweep
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, contact, conversation, decision, event, orders, site, task

T = TypeVar("T")
START = 1_800_000_000_000


@dataclass
class Shop:
    """Short words for what tests do to a shop."""

    storage: Storage
    site_id: str
    now: int = START
    rules: Rules = field(default_factory=lambda: Rules(offer_ms=20_000, nobody_ms=120_000))

    def write(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return self.storage.write_sync(lambda connection: work(connection, *args, **kwargs))

    def read(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return self.storage.read_sync(lambda connection: work(connection, *args, **kwargs))

    def rows(self, query: Any) -> list[Any]:
        return list(self.read(lambda connection: connection.execute(query).mappings().all()))

    def hire(self, name: str = "Mara", *, here: bool = True, role: str = "agent", **values: Any) -> Agent:
        who = Agent(
            id=new_id(),
            site_id=values.pop("site_id", self.site_id),
            name=name,
            role=role,  # type: ignore[arg-type]
            languages=tuple(values.pop("languages", ())),
            skills=tuple(values.pop("skills", ())),
            capacity=values.pop("capacity", 4),
        )

        def work(connection: Connection) -> None:
            connection.execute(
                insert(agent).values(
                    id=who.id,
                    site_id=who.site_id,
                    login=who.id.lower(),
                    name=name,
                    password_hash="-",
                    role=role,
                    languages=list(who.languages),
                    skills=list(who.skills),
                    capacity=who.capacity,
                    created_at=self.now,
                )
            )
            if here:
                presence.beat(connection, who.id, now=self.now)

        self.write(work)
        return who

    def customer(
        self, name: str | None = "Jonas", *, external_id: str | None = None, site_id: str | None = None
    ) -> str:
        contact_id = new_id()
        self.write(
            lambda connection: connection.execute(
                insert(contact).values(
                    id=contact_id,
                    site_id=site_id or self.site_id,
                    external_id=external_id,
                    customer_key=f"key-{contact_id}",
                    name=name,
                    verified=external_id is not None,
                    first_seen_at=self.now,
                )
            )
        )
        return contact_id

    def talk(self, *bodies: str, contact_id: str | None = None, locale: str = "en", site_id: str | None = None) -> str:
        """A conversation in which the contact has said `bodies`."""
        whose = contact_id or self.customer(site_id=site_id)
        conv = self.write(
            open_conversation, site_id=site_id or self.site_id, contact_id=whose, locale=locale, now=self.now
        )
        for body in bodies:
            self.say(conv, body)
        return conv

    def say(self, conv: str, body: str, sender: str = "contact", **values: Any) -> int:
        return self.write(
            append,
            conv,
            NewEvent(sender, values.pop("kind", "message"), body=body, cmid=str(uuid4()), **values),
            now=self.now,
        ).seq

    def escalate(self, conv: str | None = None, **values: Any) -> str:
        """Queues a task; returns its id."""
        conv = conv or self.talk("Where is my parcel?")
        self.write(store.escalate, conv, **{"by": "rule", "reason": "asked_for_human", "now": self.now, **values})
        return self.task_of(conv)["id"]

    def sweep(self) -> list[commands.Moved]:
        return self.write(sweep, self.now, self.rules)

    def beat(self, *agents: Agent) -> None:
        for who in agents:
            self.write(presence.beat, who.id, now=self.now)

    def task(self, task_id: str) -> Any:
        return self.rows(select(task).where(task.c.id == task_id))[0]

    def task_of(self, conv: str) -> Any:
        """The newest task of a conversation."""
        return self.rows(
            select(task).where(task.c.conversation_id == conv).order_by(task.c.created_at.desc(), task.c.id.desc())
        )[0]

    def conversation(self, conv: str) -> Any:
        return self.rows(select(conversation).where(conversation.c.id == conv))[0]

    def events(self, conv: str) -> list[Any]:
        return self.rows(select(event).where(event.c.conversation_id == conv).order_by(event.c.seq))

    def kinds(self, conv: str) -> list[str]:
        return [row["kind"] for row in self.events(conv)]

    def assigned(self, who: Agent, conv: str | None = None) -> tuple[str, int]:
        """A conversation that `who` holds: (id, assign_epoch)."""
        task_id = self.escalate(conv)
        moved = self.write(commands.accept, who, task_id, None, now=self.now)
        return moved.conversation_id, moved.task.assign_epoch

    def decide(self, conv: str, seq: int, action: str, candidates: list[str]) -> str:
        """A decision of the policy, with the scripts that were retrieved for it."""
        decision_id = new_id()
        found = [
            {"id": name, "kind": "script", "rank": rank, "score": 0.9 - rank / 10, "why": ["reason:quality"]}
            for rank, name in enumerate(candidates)
        ]
        self.write(
            lambda connection: connection.execute(
                insert(decision).values(
                    id=decision_id,
                    site_id=self.site_id,
                    conversation_id=conv,
                    seq=seq,
                    customer_key="k",
                    ts_decision=self.now,
                    channel="web",
                    locale="en",
                    as_of=self.now,
                    action=action,
                    kind=action.split(":")[0],
                    propensity=1.0,
                    floor=0.02,
                    seed="s",
                    latency_ms=1.0,
                    candidates=found,
                )
            )
        )
        return decision_id

    def order(self, external_id: str, total: int, *, days_ago: int = 10, **values: Any) -> None:
        at = self.now - days_ago * 86_400_000
        self.write(
            lambda connection: connection.execute(
                insert(orders).values(
                    **{
                        "id": new_id(),
                        "site_id": self.site_id,
                        "order_no": new_id()[-8:],
                        "external_customer_id": external_id,
                        "status": "delivered",
                        "total": total,
                        "currency": "EUR",
                        "lines": [],
                        "ts_event": at,
                        "ts_ingested": at,
                        **values,
                    }
                )
            )
        )


def open_shop(storage: Storage, *, key: str = "shop") -> Shop:
    """A shop in an empty or used database."""
    site_id = new_id()

    storage.write_sync(
        lambda connection: connection.execute(
            insert(site).values(id=site_id, key=key, name="Shop", origins=[], holdout_salt="salt", created_at=START)
        )
    )
    return Shop(storage, site_id)


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    """An empty database of each kind."""
    storage = Storage(database_url)
    yield storage
    storage.close()


@pytest.fixture
def shop(storage: Storage) -> Shop:
    return open_shop(storage)


@pytest.fixture
def other_shop(shop: Shop) -> Shop:
    """A second site in the same database."""
    return open_shop(shop.storage, key="other")
