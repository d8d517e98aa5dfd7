from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from assistant.outcomes import log as decision_log
from assistant.outcomes.invariants import violations
from assistant.policy.unusual import of_features
from assistant.storage.tables import contact, conversation, orders, site, task, turn_vector, wallet_entry
from assistant.turns import turn as turn_module
from assistant.turns.context import tenure_days
from assistant.turns.inference import Inference
from assistant.turns.ports import Unavailable
from assistant.turns.settle import LeaseLost
from assistant.turns.states import StateCache
from assistant.turns.turn import fall_back, handle_turn
from retrieval.documents import Product
from retrieval.encoders import load
from risk.anomaly.detector import Detector
from risk.types import History, ModelFault, OrderRecord, RiskScore

DAY = 86_400_000
CALM = RiskScore(0.1, 0.1, 0.05, 0.2, dissatisfaction=0.1, need_human=0.05, band="low")
UPSET = RiskScore(0.7, 0.7, 0.6, 0.8, dissatisfaction=0.8, need_human=0.3, band="high", reasons=(("delivery", 0.8),))


def change(shop: Any, table: Any, **values: Any) -> None:
    shop.storage.write_sync(lambda c: c.execute(update(table).values(**values)))


def sound(shop: Any) -> None:
    """One score and one decision for each contact message, and every decision keeps the invariants."""
    contact_turns = [e.seq for e in shop.events if e.sender == "contact" and e.kind == "message"]
    assert [row.seq for row in shop.scores] == contact_turns
    assert [row.seq for row in shop.decisions] == contact_turns
    assert all(violations(row._mapping) == [] for row in shop.decisions)
    assert {job.state for job in shop.jobs} <= {"done"}


async def test_a_question_is_answered_scored_and_logged(shop: Any) -> None:
    settled = await shop.turn("where is my parcel")
    assert settled.kind == "reply"
    asked, said = shop.events
    assert (said.sender, said.kind, said.reply_to) == ("bot", "message", asked.seq)
    assert said.body == "Let me look where your parcel is."
    (row,) = shop.decisions
    assert row.action == "reply:order/where-1@en"
    assert row.reply_seq == said.seq
    assert row.delivered_at is not None
    assert row.versions["model"] == "fake-0001"
    assert row.versions["index"] == "000001-fake"
    assert row.candidates[0]["action"] == "reply:order/where-1@en"
    assert shop.scores[0].churn == pytest.approx(0.1)
    sound(shop)


async def test_chinese_is_answered_in_chinese_whatever_the_locale(shop: Any) -> None:
    await shop.turn("我的快递到哪了")
    assert shop.events[-1].body == "我来看看包裹到哪了。"
    await shop.turn("ok")  # too short to change the language
    assert shop.decisions[-1].locale == "zh"


async def test_facts_of_the_order_fill_the_slots(shop: Any) -> None:
    now = shop.parts.now()
    rows = [
        {"id": f"{n:026d}", "site_id": shop.site_id, "order_no": f"A-10{n}", "external_customer_id": "C1",
         "status": state, "total": 1000, "currency": "EUR", "lines": [], "ts_event": now - n * DAY, "ts_ingested": now}
        for n, state in ((1, "shipped"), (2, "delivered"))
    ]  # fmt: skip
    shop.storage.write_sync(lambda c: c.execute(insert(orders), rows))
    shop.with_parts(rules=replace(shop.parts.rules, temperature=1))
    await shop.turn("where is my parcel")
    await shop.turn("and order a-102, where is that one?")
    bodies = [e.body for e in shop.events if e.sender == "bot"]
    assert any("A-101 is on its way" in body or "look where" in body for body in bodies[:1])
    assert "A-102 is delivered" in bodies[1] or "A-101" in bodies[0]


async def test_a_turn_is_embedded_once_and_the_vector_serves_both(shop: Any) -> None:
    encoder = load("hash")
    calls: list[list[str]] = []

    class Counting:
        dim, fingerprint = encoder.dim, encoder.fingerprint

        def encode(self, texts: list[str]) -> Any:
            calls.append(list(texts))
            return encoder.encode(texts)

    inference = Inference(Counting(), shop.scorer, deadline_ms=500)  # type: ignore[arg-type]
    shop.with_parts(inference=inference)
    await shop.turn("where is my parcel")
    assert calls == [["where is my parcel"]]
    vector = shop.retriever.asked[-1][0]
    assert vector is not None
    assert vector.tolist() == encoder.encode(["where is my parcel"])[0].tolist()
    inference.close()


async def test_the_state_hears_every_message_once_and_is_rebuilt_after_a_restart(shop: Any) -> None:
    await shop.turn("where is my parcel")
    await shop.turn("still nothing here")
    heard = shop.scorer.heard[-1]
    assert [line.partition(":")[0] for line in heard] == ["contact", "bot", "contact"]
    shop.with_parts(states=StateCache())  # a restart
    await shop.turn("hello again my parcel")
    again = shop.scorer.heard[-1]
    assert again[:3] == heard
    assert len(again) == 5
    stored = [row.seq for row in shop.rows(turn_vector)]
    assert stored == [1, 2, 3, 4, 5]


async def test_a_request_for_a_person_is_obeyed_at_once(shop: Any) -> None:
    shop.with_parts(burst_pause_ms=5000)
    settled = await asyncio.wait_for(shop.turn("转人工"), 2)
    assert (settled.kind, settled.rule, settled.escalated) == ("escalate", "asks_for_human", True)
    kinds = [(e.sender, e.kind) for e in shop.events]
    assert kinds == [("contact", "message"), ("bot", "message"), ("system", "escalated")]
    assert shop.events[1].reply_to == 1
    assert "同事" in shop.events[1].body
    (row,) = shop.decisions
    assert row.propensity == 1.0
    assert shop.rows(task)[0].state == "queued"
    sound(shop)


async def test_without_agents_the_customer_is_told_so(shop: Any) -> None:
    await shop.turn("I want to talk to a human")
    assert shop.events[1].body == "All colleagues are busy."


async def test_while_waiting_for_a_person_the_bot_answers_only_what_it_knows(shop: Any) -> None:
    await shop.turn("I want to talk to a human")
    settled = await shop.turn("where is my parcel anyway")
    assert settled.kind == "reply"
    shop.retriever.scores = {"where_is_order": 0.4}
    settled = await shop.turn("well, this and that")
    assert (settled.kind, settled.rule) == ("none", "waiting")
    settled = await shop.turn("转人工")
    assert (settled.kind, settled.rule) == ("none", "waiting")
    assert len(shop.rows(task)) == 1
    sound(shop)


async def test_the_bot_is_silent_while_an_agent_holds_the_conversation(shop: Any) -> None:
    change(shop, conversation, holder="agent:A", status="escalated")
    settled = await shop.turn("where is my parcel")
    assert (settled.kind, settled.rule) == ("none", "agent_holds")
    assert [e.sender for e in shop.events] == ["contact"]
    assert shop.scores[0].churn is not None
    assert shop.decisions[0].not_delivered == "agent_holds"
    sound(shop)


async def test_an_agent_who_takes_over_during_the_pause_silences_the_bot(shop: Any) -> None:
    shop.with_parts(burst_pause_ms=1500)
    shop.say("where is my parcel")
    (job,) = shop.lease()
    working = asyncio.create_task(handle_turn(job, shop.parts))
    await asyncio.sleep(0.1)
    change(shop, conversation, holder="agent:A", status="escalated")
    assert (await working).rule == "agent_holds"


async def test_a_burst_is_answered_once(shop: Any) -> None:
    shop.with_parts(burst_pause_ms=5000)
    shop.say("where is")
    (first,) = shop.lease()
    working = asyncio.create_task(handle_turn(first, shop.parts))
    await asyncio.sleep(0.05)
    shop.say("my parcel")
    shop.parts.bus.publish(f"conv:{shop.conversation_id}")
    settled = await asyncio.wait_for(working, 4)  # sooner than the pause
    assert (settled.kind, settled.rule) == ("none", "superseded")
    shop.with_parts(burst_pause_ms=0)
    (second,) = shop.lease()
    assert (await handle_turn(second, shop.parts)).kind == "reply"
    assert shop.retriever.asked[-1][1] == "where is\nmy parcel"
    assert [e.reply_to for e in shop.events if e.sender == "bot"] == [2]
    sound(shop)


async def test_a_request_for_a_person_inside_a_burst_is_not_lost(shop: Any) -> None:
    shop.say("get me a human")
    shop.say("this is the third time")
    for _ in range(2):
        (job,) = shop.lease()
        await handle_turn(job, shop.parts)
    assert [row.kind for row in shop.decisions] == ["escalate", "none"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(ModelFault("nan"), "model_fault"), (RuntimeError("boom"), "model_failed"), (replace(CALM, churn=float("nan")), "bad_number"),
     (replace(CALM, high=1.5), "bad_number")],
)  # fmt: skip
async def test_a_broken_model_degrades_and_the_reply_still_goes_out(shop: Any, fault: Any, reason: str) -> None:
    shop.scorer.answers = fault
    settled = await shop.turn("where is my parcel")
    assert settled.kind == "reply"
    assert shop.scores[0].churn is None
    assert shop.scores[0].unavailable == reason
    assert shop.decisions[0].degraded == [reason]
    assert shop.decisions[0].score is None
    sound(shop)


async def test_a_late_model_degrades(shop: Any) -> None:
    shop.scorer.slow_s = 2.0
    await shop.turn("where is my parcel")
    assert shop.scores[0].unavailable == "deadline"
    assert shop.retriever.asked[-1][0] is None  # by words alone
    sound(shop)


async def test_missing_models_and_index_still_leave_a_question_or_a_person(shop: Any) -> None:
    inference = Inference(Unavailable("no_encoder"), Unavailable("no_model"), deadline_ms=200)
    shop.with_parts(inference=inference)
    shop.retriever.fault = RuntimeError("index")
    kinds = [(await shop.turn(f"question number {n}")).kind for n in range(3)]
    assert kinds == ["clarify", "clarify", "escalate"]  # two tries, then a person
    assert shop.decisions[2].overrides == ["loop_guard"]
    assert shop.decisions[0].degraded == ["no_encoder", "retrieval_failed"]
    sound(shop)
    inference.close()


async def test_clarifying_questions_change_and_end_with_a_person(shop: Any) -> None:
    shop.retriever.scores = {}
    for text in ("blorp one", "blorp two", "blorp three"):
        await shop.turn(text)
    bot = [e.body for e in shop.events if e.sender == "bot"]
    assert bot[:2] == ["Is it about an order or a product?", "Sorry, I still do not have it."]
    assert [row.kind for row in shop.decisions] == ["clarify", "clarify", "escalate"]
    sound(shop)


async def test_unhappy_three_times_in_a_row_brings_a_person(shop: Any) -> None:
    shop.scorer.answers = replace(UPSET, band="elevated", need_human=0.1)
    kinds = [(await shop.turn(f"where is my parcel, try {n}")).kind for n in range(4)]
    assert "escalate" not in kinds[:3]
    assert kinds[3] == "escalate"
    assert shop.decisions[3].overrides == ["loop_guard"]
    sound(shop)


async def test_the_same_words_a_third_time_are_a_loop(shop: Any) -> None:
    kinds = [
        (await shop.turn(text)).kind for text in ("where is my parcel", "Where is my parcel?", "WHERE IS MY PARCEL!!")
    ]
    assert kinds[2] == "escalate"


async def test_the_same_script_is_not_sent_twice_in_a_row_when_there_is_another(shop: Any) -> None:
    shop.retriever.scores = {"where_is_order": 0.8, "find_product": 0.75}
    shop.retriever.products = [Product("P1", "en", "Lamp", price=1000, stock=3)]
    for n in range(4):
        await shop.turn(f"where is my parcel, number {n}")
    actions = [row.action for row in shop.decisions]
    assert all(a != b for a, b in itertools.pairwise(actions))


async def test_products_are_shown_but_never_what_the_customer_had(shop: Any) -> None:
    now = shop.parts.now()
    line = {"product_id": "P1", "title": "Lamp", "quantity": 1, "unit_price": 1000}
    shop.storage.write_sync(
        lambda c: c.execute(
            insert(orders).values(
                id="0" * 26, site_id=shop.site_id, order_no="A-1", external_customer_id="C1", status="delivered",
                total=1000, currency="EUR", lines=[line], ts_event=now - DAY, ts_ingested=now,
            )
        )
    )  # fmt: skip
    shop.retriever.scores = {"find_product": 0.85}
    shop.retriever.products = [Product("P1", "en", "Lamp", stock=3), Product("P2", "en", "Shade", price=2000, stock=1)]
    settled = await shop.turn("I am looking for something for my lamp")
    assert settled.kind == "recommend"
    shown = shop.events[-1]
    assert shown.kind == "products"
    assert [card["id"] for card in shown.data["products"]] == ["P2"]
    assert shown.body == "Have a look at Shade."


def rich(shop: Any) -> None:
    """A good customer about to leave, for whom an offer pays."""
    now = shop.parts.now()
    shop.history.append(OrderRecord("A-1", now - 30 * DAY, now - 30 * DAY, total=200_000))
    shop.scorer.answers = replace(UPSET, dissatisfaction=0.4)  # about to leave, but not going round in circles
    shop.retriever.scores = {"leaving": 0.8}
    shop.with_parts(rules=replace(shop.parts.rules, temperature=1))


async def test_an_offer_is_made_once_and_charged_to_the_wallet(shop: Any) -> None:
    rich(shop)
    shop.with_parts(rules=replace(shop.parts.rules, temperature=10**9))  # any eligible action is as likely as another
    await shop.turn("I am leaving you for another shop")
    row = shop.decisions[0]
    assert "offer:stay-10" in row.eligible
    while shop.decisions[-1].kind != "offer":
        change(shop, conversation, status="open")
        shop.storage.write_sync(lambda c: c.execute(update(task).values(state="done")))
        shop.retriever.scores["leaving"] += 0.01
        await shop.turn(f"I am leaving you, really {len(shop.decisions)}")
        assert len(shop.decisions) < 60, "an eligible offer is never drawn"
    offered = shop.events[-1]
    assert offered.kind == "offer"
    assert offered.data["offer"]["decision"] == shop.decisions[-1].id
    assert shop.decisions[-1].cost == 800
    (entry,) = shop.rows(wallet_entry)
    assert (entry.state, entry.amount) == ("shown", 800)
    await shop.turn("and once more, give me a discount")
    refused = {row["action"]: row["why"] for row in shop.decisions[-1].ineligible}
    assert refused["offer:stay-10"] in ("wallet_cooldown", "asks_for_human", "waiting")


async def test_unusual_behaviour_gets_no_offer_and_the_log_says_why(shop: Any) -> None:
    rich(shop)
    now = shop.parts.now()
    shop.with_parts(rules=replace(shop.parts.rules, detector=Detector.load()))
    await shop.turn("I am leaving you for another shop")
    calm = shop.decisions[-1]
    assert "offer:stay-10" in calm.eligible
    assert of_features(calm.features, calm.overrides) == {"rarity": 1.0, "gated": False, "signals": []}
    change(shop, conversation, status="open")
    shop.storage.write_sync(lambda c: c.execute(update(task).values(state="done")))
    shop.history.extend(
        OrderRecord(f"B-{n}", now - n * 3_600_000, now - n * 3_600_000, total=2_000) for n in range(1, 10)
    )
    await shop.turn("I am leaving you for another shop, really")
    row = shop.decisions[-1]
    assert {entry["action"]: entry["why"] for entry in row.ineligible}["offer:stay-10"] == "abuse_unusual"
    assert "abuse_unusual" in row.overrides
    assert row.score == calm.score  # beside churn, never in it
    told = of_features(row.features, row.overrides)
    assert told is not None
    assert told["gated"]
    assert told["rarity"] < 0.01
    assert "order_burst" in {signal["code"] for signal in told["signals"]}
    assert all(signal["words"]["en"] and signal["words"]["zh"] for signal in told["signals"])
    assert row.versions["anomaly"] == Detector.load().version


async def test_no_offer_without_a_verified_identity(shop: Any) -> None:
    rich(shop)
    change(shop, contact, verified=False)
    for n in range(5):
        await shop.turn(f"I am leaving, offer me something {n}")
    assert not any("offer:stay-10" in row.eligible for row in shop.decisions)
    assert shop.rows(wallet_entry) == []


async def test_a_holdout_customer_gets_service_and_no_treatment(shop: Any) -> None:
    rich(shop)
    shop.retriever.scores = {"leaving": 0.8, "where_is_order": 0.75}
    change(shop, site, holdout_rate=1.0)
    for n in range(6):
        shop.scorer.answers = replace(UPSET, dissatisfaction=0.4 + 0.01 * n)
        await shop.turn(f"where is it, I am leaving, number {n}")
    assert {row.kind for row in shop.decisions} == {"reply"}
    assert all(row.holdout and "holdout" in row.overrides for row in shop.decisions)
    assert (await shop.turn("转人工")).kind == "escalate"  # a person is service, not treatment
    sound(shop)


async def test_a_crash_before_the_commit_never_doubles_a_reply(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.say("where is my parcel")
    (job,) = shop.lease()
    honest = decision_log.write

    def crash(*_: Any) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(decision_log, "write", crash)
    with pytest.raises(RuntimeError):
        await handle_turn(job, shop.parts)
    assert [e.sender for e in shop.events] == ["contact"]
    assert shop.scores == []
    monkeypatch.setattr(decision_log, "write", honest)
    await handle_turn(job, shop.parts)
    assert [e.sender for e in shop.events] == ["contact", "bot"]
    sound(shop)


async def test_a_lost_lease_writes_nothing(shop: Any) -> None:
    shop.say("where is my parcel")
    (job,) = shop.lease()
    later = shop.parts.now() + 60_000
    (stolen,) = shop.storage.write_sync(
        lambda c: turn_module.jobs.lease(c, owner="other", now=later, lease_ms=10_000, limit=1)
    )
    with pytest.raises(LeaseLost):
        await handle_turn(job, shop.parts)
    assert len(shop.events) == 1
    await handle_turn(stolen, shop.parts)
    sound(shop)


async def test_the_fallback_is_honest_and_calls_a_person(shop: Any) -> None:
    shop.say("我的快递到哪了")
    (job,) = shop.lease()
    settled = await fall_back(job, shop.parts)
    assert (settled.kind, settled.rule) == ("escalate", "failed")
    assert "出了点问题" in shop.events[1].body
    assert shop.events[2].kind == "escalated"
    assert shop.scores[0].unavailable == "turn_failed"
    sound(shop)


async def test_what_the_models_say_too_late_serves_the_next_turn(shop: Any, until: Any) -> None:
    shop.scorer.slow_s = 2.0
    await shop.turn("where is my parcel")  # given up after 1.5 s
    assert shop.scores[0].unavailable == "deadline"
    assert shop.rows(turn_vector) == []
    await until(lambda: len(shop.parts.states) == 1)
    shop.scorer.slow_s = 0.0
    await shop.turn("it is still not here")
    assert shop.scores[1].churn == pytest.approx(0.1)
    assert [line.partition(":")[0] for line in shop.scorer.heard[-1]] == ["contact", "bot", "contact"]
    assert [row.seq for row in shop.rows(turn_vector)] == [1, 2, 3]  # the late one was stored after all
    sound(shop)


class Learned:
    """An uplift model that has learned about offers alone."""

    version = "uplift-000000000001"

    def __init__(self, effect: float) -> None:
        self.effect = effect
        self.seen: list[dict[str, float | None]] = []

    def effects(self, features: dict[str, float | None]) -> dict[str, float]:
        self.seen.append(features)
        return {"offer": self.effect}


@pytest.mark.parametrize(("effect", "kind"), [(0.5, "offer"), (-0.5, "escalate")])
async def test_learned_uplift_chooses_and_is_named(shop: Any, effect: float, kind: str) -> None:
    rich(shop)
    shop.retriever.scores = {"leaving": 1.0}
    learned = Learned(effect)
    shop.with_parts(rules=replace(shop.parts.rules, uplift=learned))
    await shop.turn("I am leaving you for another shop")
    (row,) = shop.decisions
    best = row.eligible[row.values.index(max(row.values))]
    assert best.partition(":")[0] == kind
    assert row.versions["policy"].endswith("+uplift-000000000001")
    assert learned.seen[0]["score"] == pytest.approx(0.7)
    assert {name: value for name, value in learned.seen[0].items() if name != "score"} == row.features
    sound(shop)


async def test_without_a_score_the_learned_uplift_is_not_asked(shop: Any) -> None:
    learned = Learned(0.5)
    shop.with_parts(rules=replace(shop.parts.rules, uplift=learned))
    shop.scorer.answers = ModelFault("nan")
    await shop.turn("where is my parcel")
    assert learned.seen == []
    sound(shop)


async def test_a_yes_to_an_offered_colleague_brings_one(shop: Any) -> None:
    await shop.turn("where is my parcel")
    shop.say("Shall I hand this to a colleague?", sender="bot", job=False)
    settled = await shop.turn("yes please")
    assert settled.kind == "escalate"
    assert shop.decisions[-1].overrides == ["asks_for_human"]
    sound(shop)


async def test_what_was_said_before_goes_along_to_the_search(shop: Any) -> None:
    await shop.turn("where is my parcel")
    await shop.turn("48217")
    context = next(context for *_, context in reversed(shop.retriever.asked) if context.kind == "script")
    assert [(one.kind, one.text) for one in context.readings] == [
        ("core", "48217"),
        ("context", "where is my parcel 48217"),
    ]


async def test_products_are_also_sought_with_what_was_said_before(shop: Any) -> None:
    await shop.turn("a present for my mother")
    await shop.turn("she likes tea")
    products = [text for _, text, context in shop.retriever.asked if context.kind == "product"]
    assert products == ["mother", "tea", "mother tea"]


@pytest.mark.parametrize(
    ("orders", "meant"),
    [
        ([], set()),  # a stranger
        ([(30, 4_000)], set()),
        ([(400, 4_000), (30, 4_000)], {"close/known-1"}),
        ([(30, 60_000)], {"close/valued-1"}),
        ([(400, 60_000)], {"close/known-1"}),  # not spent in the past year
        ([(400, 4_000), (30, 60_000)], {"close/known-1", "close/valued-1"}),
    ],
)
async def test_a_script_for_old_or_good_customers_is_said_to_them_alone(
    shop: Any, orders: list[tuple[int, int]], meant: set[str]
) -> None:
    now = shop.parts.now()
    shop.history.extend(
        OrderRecord(f"A-{days}", now - days * DAY, now - days * DAY, total=total) for days, total in orders
    )
    shop.retriever.scores = {"praise": 0.9}
    await shop.turn("you are the best shop of all")
    told = {name.removeprefix("reply:") for name in shop.decisions[-1].eligible}
    assert {name.partition("@")[0] for name in told if name.startswith("close/")} == meant


def test_tenure_counts_from_what_the_shop_heard_of_first() -> None:
    order = OrderRecord("A-1", 100 * DAY, 100 * DAY, total=1)
    assert tenure_days(None, 0) is None
    assert tenure_days(History(), 5) == 0
    assert tenure_days(History(orders=(order,)), 110 * DAY + 5) == 10
    assert tenure_days(History(orders=(order,), first_seen_ms=60 * DAY), 110 * DAY) == 50
    assert tenure_days(History(first_seen_ms=120 * DAY), 110 * DAY) == 0
