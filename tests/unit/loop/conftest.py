"""A site whose log holds conversations with decisions, orders and labels that became known at their own times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.ids import new_id
from assistant.outcomes import log, store
from assistant.policy.decide import VERSION, pick, probabilities
from assistant.policy.draws import draw_from, seed_for
from assistant.storage.engine import Storage, connect
from assistant.storage.tables import contact, metadata, orders, site

DAY = 86_400_000
START = 1_795_000_000_000
SECRET = b"secret"
ELIGIBLE = ("reply:a", "reply:b", "offer:voucher")


@dataclass
class Shop:
    """Short words for filling the log."""

    storage: Storage
    site_id: str

    def customer(self, name: str) -> tuple[str, str]:
        """Id and key of a verified customer."""
        contact_id, key = new_id(), name.ljust(64, "k")

        def work(connection: Connection) -> None:
            connection.execute(
                insert(contact).values(
                    id=contact_id, site_id=self.site_id, external_id=name, customer_key=key, verified=True,
                    attributes={}, first_seen_at=START,
                )
            )  # fmt: skip

        self.storage.write_sync(work)
        return contact_id, key

    def order(self, name: str, at: int, *, ingested: int | None = None, total: int = 5000) -> None:
        """An order that the shop told us about at `ingested`."""

        def work(connection: Connection) -> None:
            connection.execute(
                insert(orders).values(
                    id=new_id(), site_id=self.site_id, order_no=new_id(), external_customer_id=name, status="paid",
                    total=total, currency="EUR", lines=[], ts_event=at, ts_ingested=at if ingested is None else ingested,
                )
            )  # fmt: skip

        self.storage.write_sync(work)

    def talk(
        self,
        contact_id: str,
        key: str,
        texts: Sequence[str],
        at: int,
        *,
        offered: bool = False,
        values: Sequence[float] = (100.0, 50.0, 80.0),
        **columns: Any,
    ) -> tuple[str, str]:
        """A conversation with a decision a message; its id and its last decision's."""

        def work(connection: Connection) -> tuple[str, str]:
            conv = open_conversation(connection, site_id=self.site_id, contact_id=contact_id, locale="en", now=at)
            last = ""
            for n, text in enumerate(texts):
                now = at + n * 60_000
                seq = append(connection, conv, NewEvent("contact", "message", body=text), now=now).seq
                seed, chances = _drawn(conv, seq, values, offered and n == len(texts) - 1)
                index = pick(chances, draw_from(seed))
                row = {
                    "id": new_id(), "site_id": self.site_id, "conversation_id": conv, "seq": seq, "customer_key": key,
                    "ts_decision": now + 1, "channel": "web", "locale": "en", "as_of": now, "features": {"orders": 2.0},
                    "versions": {"policy": VERSION, "temperature": "300.0"}, "eligible": list(ELIGIBLE),
                    "probabilities": chances, "values": list(values), "action": ELIGIBLE[index],
                    "kind": ELIGIBLE[index].partition(":")[0], "propensity": chances[index], "floor": 0.02, "seed": seed,
                    "holdout": False, "overrides": [], "candidates": [], "latency_ms": 1.0, "score": 0.4, "band": "high",
                } | columns  # fmt: skip
                log.write(connection, row)
                last = str(row["id"])
                append(connection, conv, NewEvent("bot", "message", body="We look into it.", reply_to=seq), now=now + 2)
            return conv, last

        return self.storage.write_sync(work)

    def label(self, decision_id: str, left: float, *, at: int, known: int, supersedes: str | None = None) -> str:
        """The label of a conversation, learnt at `known`."""
        return self.storage.write_sync(
            lambda connection: store.record(
                connection,
                site_id=self.site_id,
                idempotency_key=f"inactive_90:{decision_id}:{known}",
                type="inactive_90",
                source="system",
                ts_event=at,
                now=known,
                decision_id=decision_id,
                value=left,
                supersedes=supersedes,
            )
        )


def _drawn(conv: str, seq: int, values: Sequence[float], offered: bool) -> tuple[str, list[float]]:
    """Seed and probabilities under which the drawn action is an offer, or is none; the seed depends on conversation and turn."""
    chances = list(probabilities(list(values), floor=0.02, temperature=300.0))
    for salt in range(200):
        seed = seed_for(SECRET + bytes([salt]), conv, seq, VERSION)
        if (ELIGIBLE[pick(chances, draw_from(seed))] == "offer:voucher") == offered:
            return seed, chances
    raise AssertionError("no such draw")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    engine = connect(url)
    metadata.create_all(engine)
    engine.dispose()
    storage = Storage(url)
    site_id = new_id()
    storage.write_sync(
        lambda connection: connection.execute(
            insert(site).values(id=site_id, key="demo", name="Lumen", holdout_salt="s", created_at=1)
        )
    )
    yield Shop(storage, site_id)
    storage.close()
