from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from risk.conversation.data import Conversation
from risk.dataset import files
from risk.dataset.evidence import compare, judge
from risk.dataset.rows import Case, part
from risk.dataset.split import held, split
from risk.errors import DataRefused
from risk.types import History, Message, OrderRecord, RiskScore, Vector

NOW, DAY = 1_795_000_000_000, 86_400_000
LOOKUP = {"fine": np.zeros(2, np.float32), "angry": np.ones(2, np.float32), "ok": np.zeros(2, np.float32)}
SCORE = RiskScore(0.5, 0.5, 0.0, 1.0, dissatisfaction=0.5, need_human=0.1, band="low")


@dataclass
class Model:
    """Says that angry customers leave, the surer the larger `step`."""

    step: float
    version: str = "m"
    encoder_fingerprint: str = "e"

    def initial(self) -> float:
        return 0.0

    def advance(self, state: float, vector: Vector, message: Message) -> float:
        return state + float(vector[0]) if message.role == "contact" else state

    def score(self, state: float, history: History | None, as_of: int) -> RiskScore:
        churn = min(1.0, 0.1 + self.step * state)
        return replace(SCORE, churn=churn, band="high" if churn > 0.5 else "low")


def case(n: int, *, angry: bool = False, treated: bool = False, orders: int = 1, weight: float = 1.0) -> Case:
    texts = [("contact", "fine"), ("bot", "ok"), ("contact", "angry" if angry else "fine")]
    at = NOW + n * DAY
    messages = tuple(Message(role, text, at + i) for i, (role, text) in enumerate(texts))  # type: ignore[arg-type]
    past = tuple(OrderRecord(f"o{i}", at - DAY, at - DAY, 100) for i in range(orders))
    talk = Conversation(f"c{n}", "en" if n % 2 else "zh", messages, (None,) * 3, customer=f"customer-{n}")
    return Case(talk, (1, 2, 3), History(orders=past), float(angry), treated, weight, False)


def test_held_customers_are_a_fixed_share_and_never_trained_on() -> None:
    cases = [case(n) for n in range(3000)]
    assert np.mean([held(one) for one in cases]) == pytest.approx(0.3, abs=0.03)
    train, judges = split(cases)
    assert not {one.customer for one in train} & {one.customer for one in judges}
    assert min(one.ended_at for one in judges) >= np.median([one.ended_at for one in cases])
    assert split([]) == ([], [])


def test_both_models_see_the_same_turns_and_treated_ones_are_no_evidence() -> None:
    cases = [case(1, angry=True, weight=2.0), case(2), case(3, angry=True, treated=True), case(4, orders=0)]
    found = compare(cases, Model(0.1), Model(0.6), LOOKUP)
    e = found.evidence
    assert e.champion.tolist() == pytest.approx([0.1, 0.2, 0.1, 0.1, 0.1, 0.1])
    assert e.challenger.tolist() == pytest.approx([0.1, 0.7, 0.1, 0.1, 0.1, 0.1])
    assert e.churned.tolist() == [1, 1, 0, 0, 0, 0]
    assert e.weight.tolist() == [2, 2, 1, 1, 1, 1]
    assert e.customer.tolist() == [0, 0, 1, 1, 2, 2]
    assert e.alarmed.tolist() == [False, True, False, False, False, False]
    assert e.slices["language"].tolist() == ["en", "en", "zh", "zh", "zh", "zh"]
    assert e.slices["history"].tolist() == ["known"] * 4 + ["unknown"] * 2
    assert found.bands["c3", 3] == "high"  # treated conversations have bands too
    assert len(e.latency_ms) == 8
    with pytest.raises(DataRefused):
        compare([case(3, treated=True)], Model(0.1), Model(0.6), LOOKUP)


def decision(n: int, action: str, stayed: float) -> dict[str, Any]:
    outcome = {
        "id": f"l{n}", "type": "inactive_90", "value": 1.0 - stayed, "ts_event": NOW, "ts_ingested": NOW, "supersedes": None,
    }  # fmt: skip
    return {
        "id": f"d{n}", "conversation_id": f"c{n}", "seq": 3, "customer_key": f"customer-{n}", "ts_decision": NOW,
        "eligible": ["reply:a", "offer:x"], "probabilities": [0.5, 0.5], "values": [0.0, 0.0], "action": action,
        "propensity": 0.5, "overrides": [], "outcomes": [outcome],
    }  # fmt: skip


def test_offers_that_do_harm_are_worth_not_making(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = []
    for n in range(1200):
        action = "offer:x" if random.random() < 0.5 else "reply:a"
        rows.append(decision(n, action, float(random.random() < (0.3 if action == "offer:x" else 0.6))))
    folder = files.write(tmp_path, site="demo", as_of=NOW, horizon_days=90, parts=[part(rows, [case(1)])])
    dataset = files.read(folder)
    low = judge(dataset, {(f"c{n}", 3): "low" for n in range(1200)}, reward="stayed_90")
    assert low is not None
    assert low.lead is not None
    assert low.lead.low > 0.05
    same = judge(dataset, {(f"c{n}", 3): "high" for n in range(1200)}, reward="stayed_90")
    assert same is not None
    assert same.lead is not None
    assert same.lead.low < 0.0 < same.lead.high
    assert judge(dataset, {}, reward="stayed_90") is None
    assert judge(dataset, {("c1", 3): "low"}, reward="stayed_30") is None  # no such label in the log
