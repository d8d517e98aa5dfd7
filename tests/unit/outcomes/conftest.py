"""A log with a site, a customer, a conversation, and rows that are sound unless a test breaks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.ids import new_id
from assistant.outcomes import log
from assistant.policy.decide import VERSION, pick, probabilities
from assistant.policy.draws import draw_from, seed_for
from assistant.storage.engine import Storage, connect
from assistant.storage.tables import contact, metadata, score, site

NOW = 1_795_000_000_000
SECRET = b"secret"


@dataclass
class Log:
    """Ids, and a maker of rows."""

    storage: Storage
    site_id: str
    conversation_id: str
    key: str

    def write(self, work: Callable[[Connection], Any]) -> Any:
        return self.storage.write_sync(work)

    def read(self, work: Callable[[Connection], Any]) -> Any:
        return self.storage.read_sync(work)

    def row(self, seq: int = 1, **changes: Any) -> dict[str, Any]:
        """A sound decision row for a turn."""
        eligible, values = ["reply:a", "reply:b"], [100.0, 50.0]
        seed = seed_for(SECRET, self.conversation_id, seq, VERSION)
        chances = list(probabilities(values, floor=0.02, temperature=300.0))
        index = pick(chances, draw_from(seed))
        return {
            "id": new_id(), "site_id": self.site_id, "conversation_id": self.conversation_id, "seq": seq,
            "customer_key": self.key, "ts_decision": NOW, "channel": "web", "locale": "en", "as_of": NOW,
            "versions": {"policy": VERSION, "temperature": "300.0"}, "eligible": eligible, "probabilities": chances,
            "values": values, "action": eligible[index], "kind": "reply", "propensity": chances[index],
            "floor": 0.02, "seed": seed, "holdout": False, "overrides": [], "candidates": [], "latency_ms": 1.0,
        } | changes  # fmt: skip

    def turn(self, **changes: Any) -> str:
        """A contact's message with its score and decision; the decision's id."""

        def work(connection: Connection) -> str:
            seq = append(connection, self.conversation_id, NewEvent("contact", "message", body="hi"), now=NOW).seq
            connection.execute(
                insert(score).values(
                    id=new_id(),
                    conversation_id=self.conversation_id,
                    seq=seq,
                    model_version="m",
                    as_of=NOW,
                    created_at=NOW,
                )
            )
            row = self.row(seq, **changes)
            log.write(connection, row)
            return str(row["id"])

        return str(self.write(work))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Log]:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    engine = connect(url)
    metadata.create_all(engine)
    engine.dispose()
    storage = Storage(url)
    site_id, contact_id, key = new_id(), new_id(), "k" * 64

    def fill(connection: Connection) -> str:
        connection.execute(insert(site).values(id=site_id, key="demo", name="Lumen", holdout_salt="s", created_at=1))
        connection.execute(
            insert(contact).values(id=contact_id, site_id=site_id, customer_key=key, attributes={}, first_seen_at=1)
        )
        return open_conversation(connection, site_id=site_id, contact_id=contact_id, locale="en", now=NOW)

    yield Log(storage, site_id, storage.write_sync(fill), key)
    storage.close()
