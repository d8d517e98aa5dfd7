"""One retriever a site: opened at the start, rebuilt in the background when the site's documents changed, swapped while serving."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from sqlalchemy import Connection, func, select

from assistant.shop.catalogue import TABLES, load_documents
from assistant.storage.engine import Storage
from assistant.storage.tables import site
from assistant.turns.ports import Unavailable
from retrieval import recommend, store
from retrieval.collection_build import Progress
from retrieval.documents import KINDS, Article, Document, Encoder, Product, Script
from retrieval.errors import BadSnapshot, NoSnapshot
from retrieval.recommend import Recommender
from retrieval.search import Ranking, Retriever

log = structlog.get_logger()
LOOK_SECONDS = 5.0

Mark = tuple[int, ...]


def change_mark(connection: Connection, site_id: str) -> Mark:
    """Changes whenever a document of the site is stored or removed: count and latest time of each kind."""
    found: list[int] = []
    for table in TABLES.values():
        row = connection.execute(
            select(func.count(), func.coalesce(func.max(table.c.updated_at), 0)).where(table.c.site_id == site_id)
        ).one()
        found += [int(row[0]), int(row[1])]
    return tuple(found)


class SiteRetrievers:
    """The retrievers of all sites. `encoder` None: by words only, which is reported as degraded."""

    def __init__(self, storage: Storage, encoder: Encoder | None, folder: Path) -> None:
        self._storage = storage
        self._encoder = encoder
        self._folder = folder
        self._retrievers: dict[str, Retriever] = {}
        self._marks: dict[str, Mark] = {}
        self._problems: dict[str, str] = {}
        self._recommenders: dict[str, tuple[int, Recommender | None]] = {}  # by site, with the time of the manifest

    def for_site(self, site_id: str) -> Retriever | Unavailable:
        """The retriever in force now."""
        found = self._retrievers.get(site_id)
        return found if found is not None and found.ready else Unavailable("no_index")

    def version(self, site_id: str) -> str:
        """Names the index in force, for the log."""
        found = self._retrievers.get(site_id)
        return found.snapshot.name if found is not None and found.snapshot is not None else "none"

    def counts(self, site_id: str) -> dict[str, dict[str, int]]:
        """What the index in force holds of each kind: documents, entries, rows, and how many rows were newly encoded."""
        found = self._retrievers.get(site_id)
        if found is None or found.snapshot is None:
            return {}
        return {kind: dict(counts) for kind, counts in found.snapshot.counts.items()}

    def recommender(self, site_id: str) -> Recommender | None:
        """What the site's customers buy next; None where `staywell index recommender` has not learned it."""
        return self._recommenders.get(site_id, (0, None))[1]

    @property
    def degraded(self) -> dict[str, str]:
        """Sites whose search is less than it should be, and why."""
        found = {f"index:{site_id}": why for site_id, why in self._problems.items()}
        for site_id, retriever in self._retrievers.items():
            if retriever.degraded:
                found.setdefault(f"index:{site_id}", ", ".join(retriever.degraded))
        return found

    def refresh(self, progress: Progress | None = None) -> int:
        """Opens, or rebuilds, what is missing or behind the database; how many sites changed. Blocks: call it in a thread."""
        changed = 0
        for site_id in self._storage.read_sync(
            lambda connection: list(connection.execute(select(site.c.id)).scalars())
        ):
            changed += self._look_for_recommender(site_id)
            mark = self._storage.read_sync(lambda connection, which=site_id: change_mark(connection, which))  # type: ignore[misc]
            if self._marks.get(site_id) == mark:
                continue
            try:
                self._bring_up(site_id, progress)
            except (BadSnapshot, NoSnapshot, OSError, ValueError) as error:
                self._problems[site_id] = str(error)
                log.error("index_failed", site=site_id, reason=str(error))
                continue
            self._problems.pop(site_id, None)
            self._marks[site_id] = mark
            changed += 1
        return changed

    async def watch(self) -> None:
        """Keeps the retrievers fresh until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if await asyncio.to_thread(self.refresh):
                    log.info("index_swapped", versions={key: self.version(key) for key in self._retrievers})
            except Exception as error:
                log.error("index_watch_failed", exc_info=error)

    def _look_for_recommender(self, site_id: str) -> bool:
        """Opens the site's recommender when another was saved; whether it did. A damaged one is refused, and none serves."""
        folder = self._folder / site_id / recommend.FOLDER
        try:
            saved = (folder / recommend.MANIFEST).stat().st_mtime_ns
        except OSError:
            return self._recommenders.pop(site_id, None) is not None
        if self._recommenders.get(site_id, (0, None))[0] == saved:
            return False
        try:
            self._recommenders[site_id] = (saved, Recommender.open(folder))
        except BadSnapshot as error:
            self._recommenders[site_id] = (saved, None)
            log.error("recommender_refused", site=site_id, reason=str(error))
            return False
        return True

    def _bring_up(self, site_id: str, progress: Progress | None) -> None:
        documents: list[Document] = self._storage.read_sync(
            lambda connection: [
                document for kind in KINDS for document in load_documents(connection, kind, site_id=site_id)
            ]
        )
        scripts = [document for document in documents if isinstance(document, Script)]
        products = [document for document in documents if isinstance(document, Product)]
        articles = [document for document in documents if isinstance(document, Article)]
        folder = self._folder / site_id
        snapshot = store.build(folder, scripts, products, self._encoder, progress, articles)
        try:
            ranking = Ranking.beside(folder, snapshot.fingerprint)
        except BadSnapshot as error:
            log.error("ranking_refused", site=site_id, reason=str(error))
            ranking = Ranking()
        known = self._retrievers.get(site_id)
        if known is None:
            self._retrievers[site_id] = Retriever(snapshot, ranking)
        else:
            known.swap(snapshot, ranking)
