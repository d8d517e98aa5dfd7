from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select

from assistant.storage.tables import decision
from assistant.turns.inference import Heard, Inference, Reading, Request
from assistant.turns.ports import Unavailable
from assistant.turns.served import Served, place
from retrieval.documents import Vector
from retrieval.encoders import load
from risk.types import Message, ModelFault, RiskScore

SCORE = RiskScore(0.1, 0.1, 0.0, 1.0, dissatisfaction=0.1, need_human=0.05, band="low")


@dataclass
class Model:
    version: str
    churn: float
    broken: bool = False
    encoder_fingerprint: str = "hash"
    heard: list[str] = field(default_factory=list)

    def initial(self) -> tuple[str, ...]:
        return (self.version,)

    def advance(self, state: tuple[str, ...], vector: Vector, message: Message) -> tuple[str, ...]:
        assert state[0] == self.version  # never another model's state
        self.heard.append(message.text)
        return (*state, message.text)

    def score(self, state: tuple[str, ...], history: Any, as_of: int) -> RiskScore:
        if self.broken:
            raise ModelFault("nan")
        return replace(SCORE, churn=self.churn, versions={"model": self.version})


@pytest.fixture
def champion() -> Model:
    return Model("champion-1", 0.2)


@pytest.fixture
def challenger() -> Model:
    return Model("challenger-1", 0.7)


@pytest.fixture
def inference(champion: Model) -> Iterator[Inference]:
    made = Inference(load("hash"), champion, deadline_ms=2000)
    yield made
    made.close()


def request(text: str, served: Served | None, *, state: Any = None, customer: str = "k1") -> Request:
    heard = [Heard(1, Message("contact", text))]
    return Request(state, heard, None, as_of=0, served=served, customer=customer)


def churn(reading: Reading) -> float:
    assert not isinstance(reading.score, Unavailable)
    return reading.score.churn


def test_canary_takes_its_share_and_keeps_its_customers() -> None:
    customers = [f"k{n}" for n in range(20_000)]
    quarter = {c for c in customers if place("challenger-1", c) < 0.25}
    assert len(quarter) / len(customers) == pytest.approx(0.25, abs=0.01)
    assert {c for c in customers if place("challenger-1", c) < 0.05} <= quarter  # a wider canary keeps the narrow one's
    assert quarter != {c for c in customers if place("challenger-2", c) < 0.25}


async def test_a_shadow_scores_and_does_not_decide(inference: Inference, champion: Model, challenger: Model) -> None:
    served = Served(champion, challenger)
    reading = await inference.read(request("hello", served))
    assert churn(reading) == 0.2
    assert reading.model == "champion-1"
    assert [(s.version, s.score) for s in reading.shadow] == [("challenger-1", 0.7)]
    again = await inference.read(request("again", served, state=reading.state))
    assert set(again.state) == {"champion-1", "challenger-1"}
    assert challenger.heard == ["hello", "again"]


async def test_a_broken_shadow_costs_nothing(inference: Inference, champion: Model, challenger: Model) -> None:
    challenger.broken = True
    reading = await inference.read(request("hello", Served(champion, challenger)))
    assert churn(reading) == 0.2
    assert reading.shadow == ()


async def test_a_canary_decides_for_its_customers_alone(
    inference: Inference, champion: Model, challenger: Model
) -> None:
    served = Served(champion, challenger, share=0.5)
    inside = next(f"k{n}" for n in range(100) if place("challenger-1", f"k{n}") < 0.5)
    outside = next(f"k{n}" for n in range(100) if place("challenger-1", f"k{n}") >= 0.5)
    mine = await inference.read(request("hello", served, customer=inside))
    other = await inference.read(request("hello", served, customer=outside))
    assert (mine.model, churn(mine)) == ("challenger-1", 0.7)
    assert mine.shadow[0].version == "champion-1"
    assert (other.model, churn(other)) == ("champion-1", 0.2)


async def test_a_canary_that_fails_leaves_the_turn_to_the_champion(
    inference: Inference, champion: Model, challenger: Model
) -> None:
    challenger.broken = True
    reading = await inference.read(request("hello", Served(champion, challenger, share=1.0)))
    assert (reading.model, churn(reading)) == ("champion-1", 0.2)


async def test_a_turn_ends_with_the_models_that_it_began_with(
    inference: Inference, champion: Model, challenger: Model
) -> None:
    before = inference.served
    first = await inference.read(request("hello", before))
    inference.swap(Served(challenger))
    second = await inference.read(request("more", before, state=first.state))  # loaded before the swap
    assert (second.model, churn(second)) == ("champion-1", 0.2)
    third = await inference.read(request("new", inference.served))
    assert third.model == "challenger-1"
    assert inference.model == "challenger-1"


async def test_every_decision_names_its_model_and_its_shadow(shop: Any) -> None:
    challenger = Model("challenger-1", 0.7)
    shop.parts.inference.swap(Served(shop.scorer, challenger))
    await shop.turn("where is my order?")
    row = shop.storage.read_sync(lambda connection: connection.execute(select(decision)).mappings().one())
    assert row["versions"]["model"] == "fake-0001"
    assert [(item["version"], item["score"]) for item in row["shadow"]] == [("challenger-1", 0.7)]
    shop.parts.inference.swap(Served(challenger))  # promoted in the middle of a conversation
    await shop.turn("and now?")
    rows = shop.storage.read_sync(lambda connection: connection.execute(select(decision)).mappings().all())
    assert [r["versions"]["model"] for r in rows] == ["fake-0001", "challenger-1"]
    assert challenger.heard[-3::2] == [
        "where is my order?",
        "and now?",
    ]  # its state was made anew, from the first message on


def test_models_without_a_champion_serve_nobody() -> None:
    gone = Unavailable("no_model")
    assert Served(gone).name == "none"
    assert Served(gone).arms("k") == gone
