"""A site's log as something to learn from: its conversations, its customers' histories, or both with what came of them.

Conversations are those of `staywell export conversations`: redacted, customers as keyed hashes, nobody who was erased. A shop
labels no turn; what a customer says of the whole counts as the level of their last message, after which they said it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from sqlalchemy import Connection, select

from assistant.conversations import transcripts
from assistant.loop import everybody
from assistant.loop.build import build
from assistant.shop.history import load_history
from assistant.storage.engine import Storage
from assistant.storage.tables import contact
from risk.types import History


@dataclass(frozen=True, slots=True)
class Material:
    """Implements `risk.house.Log` as of a moment (UTC ms). `folder` is passing, training sets are kept in `kept`."""

    name: str
    storage: Storage
    site_id: str
    as_of: int
    folder: Path
    kept: Path

    def conversations(self) -> Path:
        """All that anybody said in, with the level of each that was rated."""
        path = self.folder / f"{self.name}-conversations.jsonl"

        def write(connection: Connection) -> None:
            with path.open("wb") as file:
                for line in transcripts.export(connection, site_id=self.site_id, until=self.as_of):
                    file.write(orjson.dumps(_labelled(orjson.loads(line)), option=orjson.OPT_APPEND_NEWLINE))

        self.storage.read_sync(write)
        return path

    def histories(self) -> Mapping[str, History]:
        """Those of everybody who has bought something, by keyed hash."""
        return self.storage.read_sync(self._histories)

    def training_set(self, horizon_days: int) -> Path:
        """As the loop takes it."""
        return build(self.storage, self.kept, site_id=self.site_id, as_of=self.as_of, horizon_days=horizon_days)

    def _histories(self, connection: Connection) -> dict[str, History]:
        found: dict[str, History] = {}
        for ids in everybody.customers(connection, self.site_id, self.as_of):
            query = select(contact.c.id, contact.c.customer_key).where(contact.c.id.in_(ids))
            names = {row.id: row.customer_key for row in connection.execute(query)}
            for contact_id in ids:
                past = load_history(
                    connection, site_id=self.site_id, contact_id=contact_id, as_of=self.as_of, imported=True
                )
                if past is not None and past.orders:
                    found[names[contact_id]] = past
        return dict(sorted(found.items()))


@contextmanager
def material(name: str, storage: Storage, site_id: str, as_of: int, kept: Path) -> Iterator[Material]:
    """The log of a site, for as long as it is learnt from."""
    with TemporaryDirectory(prefix="staywell-") as folder:
        yield Material(name, storage, site_id, as_of, Path(folder), kept)


def _labelled(document: dict[str, Any]) -> dict[str, Any]:
    own = [message for message in document["messages"] if message["role"] == "customer"]
    if own and "satisfaction" in document:
        own[-1]["satisfaction"] = document["satisfaction"]
    return document
