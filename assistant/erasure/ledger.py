"""The list of contacts who were erased, in a file beside the data: a backup that is put back brings them back, this tells of it.

It holds ids that mean nothing once the contact is gone. A line is written, and on the disk, before the database is touched: a crash
in between leaves an erasure to be made again, never one that is forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy import Connection, select

from assistant.errors import Unavailable
from assistant.identity.revocation import ERASED
from assistant.storage.tables import contact

_FILE: Final = "erased.jsonl"
_CHUNK: Final = 500


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The list in a data directory."""

    data_dir: Path

    @property
    def path(self) -> Path:
        """The file."""
        return self.data_dir / _FILE

    def add(self, site_id: str, contact_id: str, *, now: int) -> None:
        """Notes an erasure that is about to be made. Raises Unavailable(`ledger`) when the file cannot be written."""
        # The line break before it ends a line that a crash has torn, which would swallow this one.
        line = b"\n" + orjson.dumps({"site": site_id, "contact": contact_id, "at": now}) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab", opener=_private) as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}", code="ledger") from error

    def entries(self) -> Iterator[tuple[str, str]]:
        """(site, contact) of every line; a torn line, which a crash left, is passed over."""
        if not self.path.exists():
            return
        for line in self.path.read_bytes().splitlines():
            try:
                said = orjson.loads(line)
                yield str(said["site"]), str(said["contact"])
            except (orjson.JSONDecodeError, KeyError, TypeError):
                continue

    def back(self, connection: Connection) -> list[tuple[str, str]]:
        """(site, contact) of those on the list who are in the database all the same."""
        listed = list(dict.fromkeys(self.entries()))
        found = []
        for start in range(0, len(listed), _CHUNK):
            chunk = listed[start : start + _CHUNK]
            query = select(contact.c.id, contact.c.site_id, contact.c.attributes)
            for row in connection.execute(query.where(contact.c.id.in_([one for _, one in chunk]))):
                if ERASED not in row.attributes:
                    found.append((str(row.site_id), str(row.id)))
        return found
