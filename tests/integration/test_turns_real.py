"""Turns with the shipped model, the packaged encoder and the packaged playbook, through the runner, on a real database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select

from assistant.bus.hints import LocalBus
from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.ids import new_id
from assistant.models import Models, own_registry
from assistant.outcomes.check import check
from assistant.settings import Settings
from assistant.shop.history import load_history
from assistant.storage.engine import Storage, connect
from assistant.storage.tables import contact, decision, event, metadata, orders, score, site, turn_job
from assistant.turns import jobs
from assistant.turns.finder import Finder
from assistant.turns.inference import Inference
from assistant.turns.metrics import TurnMetrics
from assistant.turns.ports import Unavailable
from assistant.turns.runner import Runner
from assistant.turns.settle import Rules
from assistant.turns.states import StateCache
from assistant.turns.turn import Parts
from retrieval import encoders, playbook, store
from retrieval.search import Retriever
from risk import registry
from risk.registry import load_champion
from tests.tools.another_model import another

pytestmark = pytest.mark.integration

DAY = 86_400_000
SECRET = b"secret"


def now() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Shop:
    storage: Storage
    parts: Parts
    site_id: str
    contact_id: str

    def open(self) -> str:
        return self.storage.write_sync(
            lambda c: open_conversation(c, site_id=self.site_id, contact_id=self.contact_id, locale="en", now=now())
        )

    def say(self, conversation_id: str, body: str) -> None:
        def work(connection: Any) -> None:
            seq = append(connection, conversation_id, NewEvent("contact", "message", body=body), now=now()).seq
            jobs.enqueue(connection, conversation_id, seq, now())

        self.storage.write_sync(work)
        self.parts.bus.publish("turns")
        self.parts.bus.publish(f"conv:{conversation_id}")

    def rows(self, table: Any, conversation_id: str) -> Any:
        return self.storage.read_sync(
            lambda c: c.execute(
                select(table).where(table.c.conversation_id == conversation_id).order_by(table.c.seq)
            ).all()
        )

    def done(self) -> int:
        return self.storage.read_sync(
            lambda c: len(c.execute(select(turn_job.c.seq).where(turn_job.c.state == "done")).all())
        )

    async def settled(self, count: int) -> None:
        """Waits until `count` jobs are done."""
        async with asyncio.timeout(60):
            while self.done() < count:  # noqa: ASYNC110 — the condition is in the database
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    scripts, faults = playbook.load(list(playbook.packaged()))
    assert faults == []
    return Retriever(store.build(tmp_path_factory.mktemp("index"), scripts, [], encoders.load("use")))


@pytest.fixture
async def shop(tmp_path: Path, index: Retriever) -> AsyncIterator[Shop]:
    class Retrievers:
        def for_site(self, site_id: str) -> Retriever | Unavailable:
            return index

        def version(self, site_id: str) -> str:
            return index.snapshot.name if index.snapshot is not None else "none"

    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = connect(url)
    metadata.create_all(engine)
    engine.dispose()
    storage = Storage(url)
    encoder = encoders.load("use")
    site_id, contact_id = new_id(), new_id()

    def fill(connection: Any) -> None:
        connection.execute(
            insert(site).values(id=site_id, key="demo", name="Lumen", holdout_rate=0.0, holdout_salt="s", created_at=1)
        )
        connection.execute(
            insert(contact).values(
                id=contact_id,
                site_id=site_id,
                external_id="C1",
                customer_key="k" * 64,
                name="Ada",
                verified=True,
                attributes={},
                first_seen_at=1,
            )
        )
        for n in range(4):
            at = now() - (30 * n + 7) * DAY
            connection.execute(
                insert(orders).values(
                    id=new_id(), site_id=site_id, order_no=f"A-10{n}", external_customer_id="C1",
                    status="shipped" if n == 0 else "delivered", total=9000, currency="EUR",
                    lines=[{"product_id": f"P{n}", "title": f"Lamp {n}", "quantity": 1, "unit_price": 9000}],
                    promised_at=at + 5 * DAY, delivered_at=None if n == 0 else at + 5 * DAY, ts_event=at, ts_ingested=at,
                )
            )  # fmt: skip

    storage.write_sync(fill)
    inference = Inference(encoder, load_champion(None, encoder_fingerprint=encoder.fingerprint), deadline_ms=20_000)
    finder = Finder(Retrievers(), encoder, deadline_ms=20_000)
    parts = Parts(
        storage, LocalBus(), inference, finder, StateCache(), TurnMetrics(CollectorRegistry()), load_history, now,
        Rules(SECRET, 0.02, 300), burst_pause_ms=50, attempts=3,
    )  # fmt: skip
    runner = Runner(parts)
    working = asyncio.create_task(runner.run())
    yield Shop(storage, parts, site_id, contact_id)
    runner.stop()
    await asyncio.wait_for(working, 10)
    inference.close()
    finder.close()
    storage.close()


async def test_an_unhappy_conversation_in_each_language(shop: Shop) -> None:
    talks = {
        "en": [
            "hi",
            "where is my order",
            "still nothing, this is the third time you are late",
            "I will never buy here again",
        ],
        "zh": ["你好", "我的快递怎么还没到", "每次都这样，太失望了", "以后再也不来你们家买了"],
    }
    total = 0
    for language, messages in talks.items():
        conversation_id = shop.open()
        for body in messages:
            shop.say(conversation_id, body)
            total += 1
            await shop.settled(total)
        scores, decisions = shop.rows(score, conversation_id), shop.rows(decision, conversation_id)
        assert len(scores) == len(decisions) == len(messages)
        assert all(row.unavailable is None for row in scores)
        assert scores[-1].churn > scores[0].churn + 0.2  # it got worse, and the model saw it
        assert scores[-1].dissatisfaction > 0.5  # likelier than not
        assert scores[-1].dissatisfaction > scores[0].dissatisfaction + 0.4  # and nothing like a greeting
        assert all(row.locale == language for row in decisions)
        said = [e for e in shop.rows(event, conversation_id) if e.sender == "bot"]
        assert said
        assert len({e.reply_to for e in said}) == len(said)
        han = any("\u4e00" <= character <= "\u9fff" for character in said[0].body)
        assert han == (language == "zh")
    assert shop.storage.read_sync(lambda c: list(check(c, secret=SECRET))) == []


async def test_facts_are_used_and_never_asked_for(shop: Shop) -> None:
    conversation_id = shop.open()
    shop.say(conversation_id, "where is my order")
    await shop.settled(1)
    (row,) = shop.rows(decision, conversation_id)
    whys = {entry["action"]: entry["why"] for entry in row.ineligible}
    assert "reply:order/where-is-it-2@en" in row.eligible
    assert whys["reply:order/where-is-it-1@en"] == "less_specific"


async def test_a_burst_of_many_conversations_at_once(shop: Shop) -> None:
    conversations = [shop.open() for _ in range(12)]
    for body in ("where is", "my order", "please"):
        for conversation_id in conversations:
            shop.say(conversation_id, body)
    await shop.settled(36)
    for conversation_id in conversations:
        decisions = shop.rows(decision, conversation_id)
        assert [row.seq for row in decisions] == [
            e.seq for e in shop.rows(event, conversation_id) if e.sender == "contact"
        ]  # fmt: skip
        assert len(shop.rows(score, conversation_id)) == 3
        answered = [row for row in decisions if row.kind != "none"]
        assert answered, "a burst is answered"
        assert decisions[-1].kind != "none"
    assert shop.storage.read_sync(lambda c: list(check(c, secret=SECRET))) == []


async def test_promotion_and_roll_back_under_load_drop_no_turn(shop: Shop, tmp_path: Path) -> None:
    """Champions change while customers write, and each decision names the model that made it."""
    settings = Settings(data_dir=tmp_path)
    folder = own_registry(settings)
    registry.adopt(folder)
    first, second = registry.pointer(folder).champion, another(folder)
    inference = shop.parts.inference
    models = Models(settings, inference.fingerprint, slowest_ms=60_000)
    models.load()
    stop, swaps = asyncio.Event(), 0

    async def govern() -> None:
        """Promotes, rolls back, lets a canary serve half and withdraws it, over and over, as an operator would."""
        nonlocal swaps
        while not stop.is_set():
            for move in (
                lambda: registry.promote(folder, second, reason="better"),
                lambda: registry.roll_back(folder, reason="worse"),
                lambda: registry.challenge(folder, second, share=0.5, reason="try"),
                lambda: registry.challenge(folder, None, reason="enough"),
            ):
                await asyncio.to_thread(move)
                swaps += await asyncio.to_thread(models.refresh, inference)
                await asyncio.sleep(0.05)

    governing = asyncio.create_task(govern())
    conversations = [shop.open() for _ in range(12)]
    sent = 0
    try:
        for part in range(6):
            for conversation_id in conversations:
                shop.say(conversation_id, f"where is my order, and what about part {part}?")
                sent += 1
                await asyncio.sleep(0.01)
            await shop.settled(sent)
    finally:
        stop.set()
        await governing
    assert swaps >= 4
    made = shop.storage.read_sync(lambda c: c.execute(select(decision)).all())
    scored = shop.storage.read_sync(lambda c: c.execute(select(score)).all())
    assert len(made) == len(scored) == sent
    assert all(row.unavailable is None for row in scored)
    by_turn = {(row.conversation_id, row.seq): row.model_version for row in scored}
    assert {(row.conversation_id, row.seq): row.versions["model"] for row in made} == by_turn
    assert set(by_turn.values()) == {first, second}
    assert {item["version"] for row in made for item in row.shadow} <= {first, second}
    assert shop.storage.read_sync(lambda c: list(check(c, secret=SECRET))) == []
    assert inference.served.challenger is None  # withdrawn in the end
