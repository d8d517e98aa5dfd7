"""Looks once an hour at what the model sees and says, for /metrics: has it changed, does it come true, is it served as trained.

Everything is counted over the last `PERIOD_DAYS`; `staywell_drift_psi` compares the last week with the time before it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Connection, select

from assistant.errors import Unavailable
from assistant.loop import skew
from assistant.outcomes import streams
from assistant.review.model_reports import LEAST_DRIFT, psi
from assistant.storage.engine import Storage
from assistant.storage.tables import site
from retrieval.documents import Encoder
from risk.adwin import changes
from risk.metrics import calibration_error

log = structlog.get_logger()

PERIOD_DAYS: Final = 90
WEEK_MS: Final = 7 * streams.DAY_MS


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look found at a site. None: too little to say."""

    psi: float | None
    score_changes: int
    label_changes: int
    calibration_error: float | None


def look(connection: Connection, site_id: str, *, now: int) -> Watched:
    """Over the last `PERIOD_DAYS` before `now` (UTC ms)."""
    since = now - PERIOD_DAYS * streams.DAY_MS
    scored = streams.scores(connection, site_id, since=since, until=now)
    known = streams.labels(connection, site_id, since=since, until=now)
    recent = [value for at, value in scored if at >= now - WEEK_MS]
    before = [value for at, value in scored if at < now - WEEK_MS]
    judged = [(score, label) for _, label, score in known if score is not None]
    enough = min(len(recent), len(before)) >= LEAST_DRIFT
    return Watched(
        psi=psi(before, recent) if enough else None,
        score_changes=len(changes([value for _, value in scored])),
        label_changes=len(changes([value for _, value, _ in known])),
        calibration_error=calibration_error([score for score, _ in judged], [label for _, label in judged])
        if len(judged) >= LEAST_DRIFT
        else None,
    )


class DriftWatch:
    """Keeps the gauges. A figure that cannot be told is NaN, never 0."""

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], int],
        registry: CollectorRegistry,
        encoder: Encoder | None,
        *,
        every_s: float = 3600.0,
    ) -> None:
        self._storage, self._now, self._encoder, self._every_s = storage, now, encoder, every_s
        newest: Any = {"registry": registry, "multiprocess_mode": "mostrecent"}
        self._psi = Gauge(
            "staywell_drift_psi", "Population stability index of the last week's scores, by site.", ["site"], **newest
        )
        self._changes = Gauge(
            "staywell_drift_changes",
            f"Changes of the mean (ADWIN) in the scores and labels of {PERIOD_DAYS} days, by site and stream.",
            ["site", "stream"],
            **newest,
        )
        self._calibration = Gauge(
            "staywell_calibration_error",
            "Expected calibration error of the score over matured labels, by site.",
            ["site"],
            **newest,
        )
        self._cosine = Gauge(
            "staywell_served_cosine",
            "Least cosine of the newest served vectors with the same texts encoded anew.",
            **newest,
        )
        self._differing = Gauge(
            "staywell_served_differing",
            "Newest decisions whose history features come out otherwise when counted anew.",
            **newest,
        )

    async def run(self) -> None:
        """Until cancelled. A database that cannot answer is asked again the next time."""
        while True:
            try:
                await self.once()
            except Unavailable as error:
                log.warning("drift_not_watched", error=error.reason)
            await asyncio.sleep(self._every_s)

    async def once(self) -> None:
        """Looks at all sites."""
        shops = await self._storage.read(lambda connection: connection.execute(select(site.c.id, site.c.key)).all())
        for shop in shops:
            now = self._now()
            found = await self._storage.read(lambda connection, shop=shop, now=now: look(connection, shop.id, now=now))  # type: ignore[misc]
            self._psi.labels(shop.key).set(_shown(found.psi))
            self._calibration.labels(shop.key).set(_shown(found.calibration_error))
            for stream, count in (("score", found.score_changes), ("label", found.label_changes)):
                self._changes.labels(shop.key, stream).set(count)
            if found.score_changes or found.label_changes:
                log.warning("drift", site=shop.key, scores=found.score_changes, labels=found.label_changes)
        if self._encoder is not None:
            encoder = self._encoder
            served = await self._storage.read(lambda connection: skew.measure(connection, encoder))
            self._cosine.set(served.worst_cosine)
            self._differing.set(len(served.differing))


def _shown(value: float | None) -> float:
    return math.nan if value is None else value
