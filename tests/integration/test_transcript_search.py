"""A search over a hundred thousand messages looks at what it finds, not at all of them."""

from __future__ import annotations

from pathlib import Path

from assistant.storage import migrate
from assistant.storage.engine import Storage
from benchmarks import transcript_search

MESSAGES = 100_000
TIMES = 5  # as fast as looking at every message, at least; a hundred and more as a rule


def test_a_rare_word_among_a_hundred_thousand_messages(tmp_path: Path) -> None:
    """Processor time of both within one run; that both find the same is checked in there."""
    url = f"sqlite:///{(tmp_path / 'search.db').as_posix()}"
    migrate.upgrade(url)
    storage = Storage(url)
    try:
        site_id = storage.write_sync(lambda connection: transcript_search.fill(connection, MESSAGES))
        for word, measured in transcript_search.searches(storage, site_id).items():
            assert measured["found"] == transcript_search.EVERY, word
            assert measured["ratio"] > TIMES, (word, measured)
    finally:
        storage.close()
