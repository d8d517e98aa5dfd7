"""A shop with one customer, models that can be told what to say, and a small playbook, on a real SQLite file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select

from assistant.bus.hints import LocalBus
from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.ids import new_id
from assistant.storage.engine import Storage, connect
from assistant.storage.tables import contact, decision, event, metadata, score, site, turn_job
from assistant.turns import jobs
from assistant.turns.finder import Finder
from assistant.turns.inference import Inference
from assistant.turns.jobs import Job
from assistant.turns.metrics import TurnMetrics
from assistant.turns.ports import Unavailable
from assistant.turns.settle import Rules, Settled
from assistant.turns.states import StateCache
from assistant.turns.turn import Parts, handle_turn
from retrieval.documents import Candidate, Offer, Product, Script, SearchContext, Vector
from retrieval.eligibility import script_refusal
from retrieval.encoders import load
from risk.types import History, Message, OrderRecord, RiskScore

DAY = 86_400_000
CALM = RiskScore(0.1, 0.1, 0.05, 0.2, dissatisfaction=0.1, need_human=0.05, band="low")
UPSET = RiskScore(0.7, 0.7, 0.6, 0.8, dissatisfaction=0.8, need_human=0.3, band="high", reasons=(("delivery", 0.8),))


def script(family: str, text: str, intent: str, stage: str, locale: str = "en", **more: Any) -> Script:
    return Script(f"{family}@{locale}", family, locale, family, text, intent, stage, **more)  # type: ignore[arg-type]


PLAYBOOK = [
    script("order/where-1", "Let me look where your parcel is.", "where_is_order", "fix"),
    script("order/where-2", "Order {{ order_no }} is {{ order_status }}.", "where_is_order", "fix",
           slots=("order_no", "order_status")),
    script("general/unclear-1", "Is it about an order or a product?", "not_understood", "clarify"),
    script("general/unclear-2", "Sorry, I still do not have it.", "not_understood", "clarify"),
    script("handoff/asks-1", "Of course, a colleague is coming.", "asks_human", "handoff"),
    script("handoff/nobody-1", "All colleagues are busy.", "no_agent", "handoff"),
    script("service/offer-1", "Please take {{ offer_amount }} until {{ offer_valid_until }}.", "leaving", "win_back",
           slots=("offer_amount", "offer_valid_until"), offer=Offer("stay-10", "voucher", 1000, 800)),
    script("find/product-1", "Have a look at {{ product_list }}.", "find_product", "recommend", slots=("product_list",)),
    script("close/known-1", "It is good to have you with us for so long.", "praise", "close",
           conditions={"tenure_days": {"min": 365}}),
    script("close/valued-1", "Thank you for buying so much from us.", "praise", "close",
           conditions={"value_year": {"min": 50_000}}),
    script("order/where-1", "我来看看包裹到哪了。", "where_is_order", "fix", "zh"),
    script("general/unclear-1", "您说的是订单还是商品？", "not_understood", "clarify", "zh"),
    script("handoff/asks-1", "好的，我请同事过来。", "asks_human", "handoff", "zh"),
]  # fmt: skip


@dataclass
class FakeRetriever:
    """Scores by intent, as told; eligibility as in the real one."""

    scores: dict[str, float] = field(default_factory=lambda: {"where_is_order": 0.8})
    products: list[Product] = field(default_factory=list)
    fault: Exception | None = None
    slow_s: float = 0.0
    asked: list[tuple[Vector | None, str, SearchContext]] = field(default_factory=list)

    def search(self, vector: Vector | None, text: str, context: SearchContext) -> list[Candidate]:
        self.asked.append((vector, text, context))
        time.sleep(self.slow_s)
        if self.fault is not None:
            raise self.fault
        if context.kind == "article":
            return []  # this shop has no help pages
        if context.kind == "product":
            kept = [product for product in self.products if product.id not in context.exclude]
            return [Candidate(product, rank, 0.7) for rank, product in enumerate(kept)][: context.k]
        found = sorted(self._eligible(context), key=lambda s: -self.scores.get(s.intent, 0.0))
        hits = [s for s in found if s.intent in self.scores]
        return [Candidate(s, rank, self.scores[s.intent]) for rank, s in enumerate(hits)][: context.k]

    def by_intent(self, intent: str, context: SearchContext) -> list[Candidate]:
        return [Candidate(s, 0, 1.0) for s in self._eligible(context) if s.intent == intent]

    def _eligible(self, context: SearchContext) -> list[Script]:
        return [s for s in PLAYBOOK if s.locale == context.locale and script_refusal(s, context) is None]


@dataclass
class FakeRetrievers:
    retriever: FakeRetriever | Unavailable

    def for_site(self, site_id: str) -> FakeRetriever | Unavailable:
        return self.retriever

    def version(self, site_id: str) -> str:
        return "000001-fake"


@dataclass
class FakeScorer:
    """Says what it is told to; its state is the texts it has heard."""

    answers: RiskScore | Exception = CALM
    version: str = "fake-0001"
    encoder_fingerprint: str = "hash"
    slow_s: float = 0.0
    heard: list[tuple[str, ...]] = field(default_factory=list)

    def initial(self) -> tuple[str, ...]:
        return ()

    def advance(self, state: tuple[str, ...], vector: Vector, message: Message) -> tuple[str, ...]:
        return (*state, f"{message.role}:{message.text}")

    def score(self, state: tuple[str, ...], history: History | None, as_of: int) -> RiskScore:
        time.sleep(self.slow_s)
        self.heard.append(state)
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


@dataclass
class Shop:
    """The whole bench: what the tests change, and what they look at."""

    storage: Storage
    parts: Parts
    scorer: FakeScorer
    retriever: FakeRetriever
    site_id: str
    contact_id: str
    conversation_id: str
    history: list[OrderRecord]

    def say(self, body: str, *, sender: str = "contact", job: bool = True) -> int:
        """A message, and its turn job; the seq."""

        def work(connection: Any) -> int:
            now = self.parts.now()
            seq = append(connection, self.conversation_id, NewEvent(sender, "message", body=body), now=now).seq
            if sender == "contact" and job:
                jobs.enqueue(connection, self.conversation_id, seq, now)
            return seq

        return self.storage.write_sync(work)

    def lease(self) -> list[Job]:
        now = self.parts.now()
        return self.storage.write_sync(lambda c: jobs.lease(c, owner="me", now=now, lease_ms=10_000, limit=10))

    async def turn(self, body: str) -> Settled:
        """A message, handled."""
        self.say(body)
        (job,) = self.lease()
        return await handle_turn(job, self.parts)

    def with_parts(self, **changes: Any) -> None:
        self.parts = replace(self.parts, **changes)

    def rows(self, table: Any) -> Sequence[Any]:
        key = table.c.seq if "seq" in table.c else table.c.id
        return self.storage.read_sync(lambda c: c.execute(select(table).order_by(key)).all())

    @property
    def events(self) -> Sequence[Any]:
        return self.rows(event)

    @property
    def decisions(self) -> Sequence[Any]:
        return self.rows(decision)

    @property
    def scores(self) -> Sequence[Any]:
        return self.rows(score)

    @property
    def jobs(self) -> Sequence[Any]:
        return self.rows(turn_job)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    url = f"sqlite:///{tmp_path / 'turns.db'}"
    engine = connect(url)
    metadata.create_all(engine)
    engine.dispose()
    opened = Storage(url)
    yield opened
    opened.close()


@pytest.fixture
async def shop(storage: Storage) -> AsyncIterator[Shop]:
    now = lambda: time.time_ns() // 1_000_000  # noqa: E731
    site_id, contact_id = new_id(), new_id()

    def fill(connection: Any) -> str:
        connection.execute(
            insert(site).values(id=site_id, key="demo", name="Lumen", holdout_rate=0.0, holdout_salt="s", created_at=1)
        )
        connection.execute(
            insert(contact).values(
                id=contact_id, site_id=site_id, external_id="C1", customer_key="k" * 64, name="Ada", verified=True,
                attributes={}, first_seen_at=1,
            )
        )  # fmt: skip
        return open_conversation(connection, site_id=site_id, contact_id=contact_id, locale="en", now=now())

    conversation_id = storage.write_sync(fill)
    scorer, retriever = FakeScorer(), FakeRetriever()
    history: list[OrderRecord] = []
    inference = Inference(load("hash"), scorer, deadline_ms=1500)
    finder = Finder(FakeRetrievers(retriever), inference.encoder, deadline_ms=5000)
    parts = Parts(
        storage=storage,
        bus=LocalBus(),
        inference=inference,
        finder=finder,
        states=StateCache(),
        metrics=TurnMetrics(CollectorRegistry()),
        load_history=lambda connection, **_: History(orders=tuple(history)) if history else None,
        now=now,
        rules=Rules(secret=b"secret", floor=0.02, temperature=300),
        burst_pause_ms=0,
        attempts=3,
    )
    yield Shop(storage, parts, scorer, retriever, site_id, contact_id, conversation_id, history)
    inference.close()
    finder.close()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Waits for a condition, at most 5 s."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 — the condition is a row in the database
                await asyncio.sleep(0.01)

    return wait
