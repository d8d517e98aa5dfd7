"""Offer rates kept alike by whole turns: the group is what the shop says, the log tells what was seen, and it stays sound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from assistant.conversations.store import open_conversation
from assistant.ids import new_id
from assistant.outcomes.check import check
from assistant.policy.fairness import FairnessRule
from assistant.storage.tables import contact, site
from assistant.turns import groups
from assistant.turns.groups import counts
from risk.types import OrderRecord, RiskScore

DAY = 86_400_000
UPSET = RiskScore(0.9, 0.9, 0.8, 0.95, dissatisfaction=0.4, need_human=0.1, band="high")
RULE = {"by": "plan", "within": 0.1, "least": 2}


@pytest.fixture
def generous(shop: Any) -> Any:
    """A shop in which everybody may have an offer, with a constraint on the plan."""
    now = shop.parts.now()
    shop.scorer.answers = UPSET
    shop.retriever.scores = {"leaving": 0.95, "where_is_order": 0.9}
    shop.history.append(OrderRecord("A-1", now - 90 * DAY, now - 90 * DAY, total=500_000))
    set_rule(shop, RULE)
    return shop


def set_rule(shop: Any, rule: Any) -> None:
    wallet = {"budget": 10_000_000}
    shop.storage.write_sync(lambda c: c.execute(update(site).values(settings={"wallet": wallet, "fairness": rule})))


async def visit(shop: Any, name: str, **attributes: str) -> Any:
    """A new customer writes once; the decision."""
    contact_id, now = new_id(), shop.parts.now()

    def arrive(connection: Any) -> str:
        connection.execute(
            insert(contact).values(
                id=contact_id, site_id=shop.site_id, external_id=name, customer_key=name.ljust(64, "k"), verified=True,
                attributes=attributes, first_seen_at=1,
            )
        )  # fmt: skip
        return open_conversation(connection, site_id=shop.site_id, contact_id=contact_id, locale="en", now=now)

    shop.conversation_id = shop.storage.write_sync(arrive)
    await shop.turn("I think I am leaving")
    return next(row for row in shop.decisions if row.customer_key == name.ljust(64, "k"))


async def test_the_group_that_is_ahead_gets_fewer_and_the_log_says_why(
    generous: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "RENEWED_MS", 0)
    shop = generous
    shop.with_parts(rules=replace(shop.parts.rules, temperature=10**6))  # worth hardly matters: the draw is even
    first = await visit(shop, "g0", plan="gold")
    assert first.versions["group"] == "plan=gold"
    assert (first.features["policy.fairness.gap"], first.features["policy.fairness.nudge"]) == (0.0, 0.0)
    n = 1
    while sum(row.kind == "offer" for row in shop.decisions) < 2:
        await visit(shop, f"g{n}", plan="gold")
        n += 1
    for number in range(2):  # on the basic plan, where nothing may be given: not settled
        shop.storage.write_sync(lambda c: c.execute(update(site).values(holdout_rate=1.0)))
        held = await visit(shop, f"b{number}", plan="basic")
        assert held.features["policy.fairness.nudge"] == 0.0
        assert "holdout" in held.overrides
    shop.storage.write_sync(lambda c: c.execute(update(site).values(holdout_rate=0.0)))
    ahead, behind = await visit(shop, "g-next", plan="gold"), await visit(shop, "b-next", plan="basic")
    offer = ahead.eligible.index("offer:stay-10")
    assert ahead.features["policy.fairness.nudge"] < 0 < behind.features["policy.fairness.nudge"]
    assert ahead.probabilities[offer] < 0.05 < behind.probabilities[behind.eligible.index("offer:stay-10")]
    assert shop.storage.read_sync(lambda c: list(check(c, secret=b"secret"))) == []
    rule = FairnessRule.from_settings(RULE)
    found = shop.storage.read_sync(lambda c: counts(c, site_id=shop.site_id, rule=rule, now=shop.parts.now()))
    assert set(found) == {"plan=gold", "plan=basic"}
    assert found["plan=basic"][0] == 3
    later = shop.storage.read_sync(
        lambda c: counts(c, site_id=shop.site_id, rule=rule, now=shop.parts.now() + 31 * DAY)
    )
    assert later == {}


async def test_without_a_rule_or_a_group_nothing_is_noted(generous: Any) -> None:
    nameless = await visit(generous, "n", age="30")
    assert "group" not in nameless.versions
    assert not any(name.startswith("policy.fairness") for name in nameless.features)
    for rule in (None, {}, {"by": "plan", "within": 7}, "nonsense"):
        set_rule(generous, rule)
        plain = await visit(generous, f"p{rule}", plan="gold")
        assert "fairness" not in plain.versions


async def test_a_region_is_a_group_too(generous: Any) -> None:
    set_rule(generous, {"by": "region", "within": 0.1})
    generous.storage.write_sync(lambda c: c.execute(update(contact).values(region="DE")))
    await generous.turn("I think I am leaving")
    assert generous.decisions[-1].versions["group"] == "region=DE"
