"""Speaking first to customers, on a real database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from assistant.outcomes.nudges import DAY_MS, KNOWN_DAYS, speak_first
from assistant.policy.nudges import Nudging
from assistant.storage.tables import conversation, exposure, site

NUDGING = Nudging.from_settings(
    {"rules": [{"name": "risky", "risk": "elevated", "text": {"en": "Shall we help?"}}], "every_days": 7}
)


@pytest.fixture
def treated(shop: Any) -> Any:
    """A shop without a holdout."""
    shop.write(lambda connection: connection.execute(update(site).values(holdout_rate=0.0)))
    return shop


def customer(shop: Any, number: str, band: str | None) -> str:
    conv = shop.talk("hm", contact_id=shop.customer(external_id=number))
    shop.write(lambda c: c.execute(update(conversation).where(conversation.c.id == conv).values(band=band)))
    return conv


def ask(shop: Any, number: str | None, nudging: Nudging = NUDGING) -> str | None:
    who = None if number is None else (number, f"key-of-{number}")
    rule, _ = shop.write(speak_first, shop.site_id, nudging, customer=who, page="/", waited_s=0, now=shop.now)
    return None if rule is None else str(rule.name)


@pytest.mark.parametrize(("band", "said"), [("high", "risky"), ("elevated", "risky"), ("low", None), (None, None)])
def test_the_band_of_the_last_conversation_decides(treated: Any, band: str | None, said: str | None) -> None:
    customer(treated, "C1", band)
    assert ask(treated, "C1") == said
    logged = treated.rows(select(exposure))
    assert [(row["kind"], row["customer_key"], row["data"]) for row in logged] == (
        [("nudge", "key-of-C1", {"rule": "risky", "risk": "elevated"})] if said else []
    )


def test_who_is_not_known_is_not_spoken_to_by_risk(treated: Any) -> None:
    assert ask(treated, "nobody") is None
    assert ask(treated, None) is None
    plain = Nudging.from_settings({"rules": [{"name": "all", "text": {"en": "Hi"}}]})
    assert ask(treated, None, plain) == "all"
    assert treated.rows(select(exposure)) == []  # a guest is nobody in the log


def test_a_later_calm_conversation_and_time_both_count(treated: Any) -> None:
    conv = customer(treated, "C1", "high")
    treated.now += (KNOWN_DAYS + 1) * DAY_MS
    assert ask(treated, "C1") is None
    treated.write(
        lambda c: c.execute(update(conversation).where(conversation.c.id == conv).values(updated_at=treated.now))
    )
    assert ask(treated, "C1") == "risky"


def test_a_customer_is_left_alone_for_days_whatever_the_rule(treated: Any) -> None:
    customer(treated, "C1", "high")
    assert ask(treated, "C1") == "risky"
    other = Nudging.from_settings({"rules": [{"name": "other", "text": {"en": "Hi"}}]})
    assert ask(treated, "C1") is None
    assert ask(treated, "C1", other) is None
    treated.now += 7 * DAY_MS
    assert ask(treated, "C1", other) == "other"


def test_the_holdout_is_never_spoken_to_and_leaves_no_trace(shop: Any) -> None:
    shop.write(lambda connection: connection.execute(update(site).values(holdout_rate=1.0)))
    customer(shop, "C1", "high")
    everybody = Nudging.from_settings({"rules": [{"text": {"en": "Hi"}}]})
    assert ask(shop, "C1") is None
    assert ask(shop, "C1", everybody) is None
    assert shop.rows(select(exposure)) == []
