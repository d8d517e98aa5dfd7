"""The composition root: the only place where things are made and wired together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.middleware.gzip import GZipMiddleware

from assistant import pages
from assistant.bus.choose import open_bus
from assistant.bus.hints import LocalBus
from assistant.chat.live import Live
from assistant.chat.metrics import ChatMetrics
from assistant.chat.routes import build_router as chat_router
from assistant.chat.service import ChatDeps
from assistant.demo.routes import build_router as demo_router
from assistant.erasure.routes import build_router as erasure_router
from assistant.erasure.service import Privacy
from assistant.errors import NotFound
from assistant.escalation.routes import build_router as desk_router
from assistant.escalation.service import DeskDeps
from assistant.escalation.socket import Consoles
from assistant.escalation.sweeper import Sweeper
from assistant.health import LoopWatch
from assistant.health import build_router as health_router
from assistant.http import BodyLimit, SecurityHeaders, install_error_handlers
from assistant.identity.fetching import Reach, fetch_json
from assistant.identity.jwks import KeySets
from assistant.identity.keys import installation_secret
from assistant.identity.oidc_routes import build_router as oidc_router
from assistant.identity.revocation import AccessWatch
from assistant.identity.routes import AgentDeps
from assistant.identity.routes import build_router as agents_router
from assistant.identity.sites import SiteDirectory
from assistant.identity.trust import Identities
from assistant.loop.routes import ModelDeps
from assistant.loop.routes import build_router as models_router
from assistant.loop.watch import DriftWatch
from assistant.models import Models, bands_of
from assistant.outcomes.maturity import Maturing
from assistant.retrievers import SiteRetrievers
from assistant.review.desk_search import build_router as desk_search_router
from assistant.review.routes import build_router as review_router
from assistant.settings import Settings
from assistant.shop.history import load_history
from assistant.shop.routes import build_router as shop_router
from assistant.storage.engine import Storage
from assistant.storage.guard import open_checked
from assistant.storage.metrics import StorageMetrics
from assistant.turns.finder import Finder
from assistant.turns.inference import Inference
from assistant.turns.metrics import TurnMetrics
from assistant.turns.ports import Unavailable
from assistant.turns.runner import Runner
from assistant.turns.served import Served
from assistant.turns.settle import Rules
from assistant.turns.states import StateCache
from assistant.turns.suggestions import word_suggestion
from assistant.turns.turn import Parts
from assistant.writers.metrics import WriterMetrics
from assistant.writers.nearness import Nearness
from assistant.writers.openai import Endpoint, OpenAiWriter
from assistant.writers.rephrasing import Writers
from retrieval import encoders
from retrieval.collection_build import Progress
from retrieval.documents import Encoder
from risk.anomaly import detector as anomaly
from risk.anomaly.detector import Detector
from risk.errors import ArtefactRefused
from risk.uplift.model import UpliftModel

log = structlog.get_logger()


def clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that lives as long as the process."""

    settings: Settings
    secret: bytes
    storage: Storage
    bus: LocalBus
    sites: SiteDirectory
    retrievers: SiteRetrievers
    models: Models
    inference: Inference
    finder: Finder
    registry: CollectorRegistry  # what /metrics shows
    loop_watch: LoopWatch
    drift_watch: DriftWatch
    parts: Parts
    nearness: Nearness | None
    chat: ChatDeps

    @property
    def degraded(self) -> dict[str, str]:
        """Parts that work with less than they should, and why."""
        found = dict(self.retrievers.degraded)
        for name, part in (("encoder", self.inference.encoder), ("model", self.inference.scorer)):
            if isinstance(part, Unavailable):
                found[name] = part.reason
        if self.models.refused is not None:
            found.setdefault("model", self.models.refused)
        if self.parts.writers.resting:
            found["writer"] = "the language model fails: the template speaks"
        elif self.settings.writer_base is not None and self.nearness is None:
            found["writer"] = "no encoder to check a language model's words with: the template speaks"
        return found

    def close(self) -> None:
        """Lets go of everything, storage last."""
        self.inference.close()
        self.finder.close()
        if self.nearness is not None:
            self.nearness.close()
        self.bus.close()
        self.storage.close()


def build_services(
    settings: Settings, *, progress: Progress | None = None, metrics_of_all: Path | None = None
) -> Services:
    """Opens database, models and indices. A missing or damaged model or index is reported as degraded; a database that cannot be
    trusted raises Unavailable. `metrics_of_all`: where several workers keep their figures, so that /metrics of each shows all."""
    secret = installation_secret(settings)
    registry = CollectorRegistry()
    storage = open_checked(settings.url, on_batch=StorageMetrics(registry))
    bus = open_bus(settings.url)
    encoder = _encoder(settings)
    models = Models(settings, "none" if isinstance(encoder, Unavailable) else encoder.fingerprint)
    served = Served(Unavailable("no encoder to score with")) if isinstance(encoder, Unavailable) else models.load()
    retrievers = SiteRetrievers(
        storage,
        None if isinstance(encoder, Unavailable) else encoder,
        settings.indices,
    )
    retrievers.refresh(progress)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    sites = SiteDirectory(storage, clock)
    inference = Inference(encoder, served.champion, deadline_ms=settings.model_deadline_ms)
    inference.swap(served)
    nearness = None if isinstance(encoder, Unavailable) or settings.writer_base is None else Nearness(encoder)
    finder = Finder(retrievers, inference.encoder, deadline_ms=settings.model_deadline_ms, recommenders=retrievers)
    parts = Parts(
        storage=storage,
        bus=bus,
        inference=inference,
        finder=finder,
        states=StateCache(),
        metrics=TurnMetrics(registry),
        load_history=load_history,
        now=clock,
        rules=Rules(
            secret=secret,
            floor=settings.floor,
            temperature=round(settings.temperature * 100),
            uplift=_uplift(settings),
            detector=_detector(settings),
        ),
        burst_pause_ms=settings.burst_pause_ms,
        attempts=settings.turn_attempts,
        writers=_writers(settings, nearness, WriterMetrics(registry)),
    )
    chat = ChatDeps(
        storage=storage,
        bus=bus,
        clock=clock,
        settings=settings,
        sites=sites,
        secret=secret,
        metrics=ChatMetrics(registry),
        identities=Identities(
            KeySets(partial(fetch_json, reach=Reach(settings.private_key_urls, settings.private_key_urls)))
        ),
    )
    services = Services(
        settings=settings,
        secret=secret,
        storage=storage,
        bus=bus,
        sites=sites,
        retrievers=retrievers,
        models=models,
        inference=inference,
        finder=finder,
        registry=registry if metrics_of_all is None else _shared(metrics_of_all),
        loop_watch=LoopWatch(registry),
        drift_watch=DriftWatch(storage, clock, registry, None if isinstance(encoder, Unavailable) else encoder),
        parts=parts,
        nearness=nearness,
        chat=chat,
    )
    for name, why in services.degraded.items():
        log.warning("degraded", part=name, reason=why)
    return services


def create_app(services: Services, *, demo: bool = False) -> FastAPI:
    """The application around open services. Its lifespan runs turns, sweeper and index watcher."""
    settings = services.settings
    live = Live(services.chat)
    consoles = Consoles()
    agent_deps = AgentDeps(services.storage, services.bus, clock, settings)
    desk_deps = DeskDeps(
        services.storage,
        services.bus,
        clock,
        settings,
        render=word_suggestion,
        thresholds=lambda: bands_of(services.inference.served),
    )
    runner = Runner(services.parts, lease_ms=settings.turn_lease_ms)
    sweeper = Sweeper(services.storage, services.bus, clock, settings)
    access = AccessWatch(services.storage, services.bus, (services.sites.forget, live.recheck, consoles.recheck))

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        turning = asyncio.create_task(_forever("turns", runner.run), name="turns")
        maturing = Maturing(services.storage, clock)
        others = [
            asyncio.create_task(_forever("maturing", maturing.run), name="maturing"),
            asyncio.create_task(_forever("drift", services.drift_watch.run), name="drift"),
            asyncio.create_task(_forever("sweeper", sweeper.run), name="sweeper"),
            asyncio.create_task(_forever("loop_watch", services.loop_watch.run), name="loop_watch"),
            asyncio.create_task(_forever("access", access.run), name="access"),
            asyncio.create_task(_forever("index", services.retrievers.watch), name="index"),
            asyncio.create_task(_forever("models", lambda: services.models.watch(services.inference)), name="models"),
        ]
        try:
            yield
        finally:
            runner.stop()
            await turning
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await services.parts.writers.close()

    app = FastAPI(
        title="Staywell",
        version="1",
        lifespan=lifespan,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.drain = lambda: _drain(live, consoles)
    install_error_handlers(app, secure=settings.cookies_secure)

    async def site_origins(key: str) -> Sequence[str] | None:
        try:
            return sorted((await services.sites.by_key(key)).origins)
        except NotFound:
            return None

    app.include_router(
        health_router(services.storage, services.registry, clock, lambda: services.degraded, lambda: live.draining)
    )
    app.include_router(chat_router(services.chat, live))
    app.include_router(agents_router(agent_deps))
    app.include_router(oidc_router(agent_deps, services.secret))
    app.include_router(desk_router(desk_deps, consoles))
    app.include_router(review_router(desk_deps))
    app.include_router(desk_search_router(desk_deps))
    app.include_router(models_router(ModelDeps(agent_deps, services.models, services.inference)))
    app.include_router(shop_router(services.storage, clock, services.secret))
    app.include_router(erasure_router(Privacy(services.storage, services.bus, clock, settings.data_dir)))
    app.include_router(pages.build_router(settings.origins, site_origins))
    if demo:
        app.include_router(demo_router(services.sites, clock, settings.origins))
    app.mount("/static", StaticFiles(directory=pages.STATIC))
    app.add_middleware(BodyLimit)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    app.add_middleware(SecurityHeaders, secure=settings.cookies_secure)
    return app


async def _drain(live: Live, consoles: Consoles) -> None:
    """Tells every client that the server goes away; they come back to another worker, or to this one after its restart."""
    await asyncio.gather(live.drain(), consoles.drain())


async def _forever(name: str, work: Callable[[], Any]) -> None:
    """Starts `work` again when a bug ended it, with a pause; a background task must not die in silence."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("task_died", task=name, exc_info=error)
            await asyncio.sleep(1)
        else:
            return


def _shared(folder: Path) -> CollectorRegistry:
    """The figures of all workers; those of their processes (memory, descriptors) are not among them."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry


def _encoder(settings: Settings) -> Encoder | Unavailable:
    try:
        encoder = encoders.load(settings.encoder)
        encoder.encode(["warm"])
    except Exception as error:  # a missing package, a damaged file: the shop must still be able to answer
        return Unavailable(f"encoder '{settings.encoder}': {error}")
    return encoder


def _writers(settings: Settings, nearness: Nearness | None, metrics: WriterMetrics) -> Writers:
    """The reply writers. A model's words are not used where nothing can compare them with what was approved."""
    model = None
    if nearness is not None and settings.writer_base is not None and settings.writer_model is not None:
        key = None if settings.writer_key is None else settings.writer_key.get_secret_value()
        model = OpenAiWriter(Endpoint(settings.writer_base, settings.writer_model, key, settings.writer_max_tokens))
    return Writers(
        model,
        default=settings.writer,
        timeout_ms=settings.writer_timeout_ms,
        calls_per_minute=settings.writer_calls_per_minute,
        metrics=metrics,
        now=clock,
        strays=None if nearness is None else nearness.strays,
    )


def _detector(settings: Settings) -> Detector:
    """What `staywell train anomaly` has learned of this shop; the shipped tables when there is nothing or it is damaged."""
    path = settings.data_dir / anomaly.FILE
    if path.exists():
        try:
            return Detector.load(path)
        except ArtefactRefused as error:
            log.error("anomaly_refused", reason=str(error))
    return Detector.load()


def _uplift(settings: Settings) -> UpliftModel | None:
    """What `staywell train uplift` has learned; None, which is the prior table, when there is nothing or it is damaged."""
    path = settings.data_dir / "uplift.json"
    if not path.exists():
        return None
    try:
        return UpliftModel.load(path)
    except ArtefactRefused as error:
        log.error("uplift_refused", reason=str(error))
        return None
