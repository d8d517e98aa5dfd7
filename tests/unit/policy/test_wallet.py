from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.policy.wallet import DAY_MS, Wallet, WalletEntry, WalletRules, committed, left, why_no_offer

NOW = 1_000 * DAY_MS
FULL = Wallet(WalletRules(), committed=0, entries=(), orders=3, turnover_year=100_000, margin=0.3)


def entry(state: str, days_ago: float, decision: str = "d", amount: int = 500) -> WalletEntry:
    return WalletEntry(decision, "o", state, amount, int(NOW - days_ago * DAY_MS))  # type: ignore[arg-type]


def asked(wallet: Wallet = FULL, **more: Any) -> str | None:
    return why_no_offer(wallet, **({"cost": 500, "verified": True, "now": NOW} | more))


def test_a_verified_customer_with_orders_may_get_an_offer() -> None:
    assert asked() is None


@pytest.mark.parametrize(
    ("wallet", "more", "why"),
    [
        (FULL, {"verified": False}, "unverified"),
        (replace(FULL, orders=0), {}, "no_orders"),
        (replace(FULL, committed=199_600), {}, "wallet_empty"),
        (FULL, {"cost": 3_001}, "wallet_cap"),
        (replace(FULL, turnover_year=1_000), {}, "wallet_cap"),
        (replace(FULL, entries=(entry("shown", 5),)), {}, "wallet_cooldown"),
        (replace(FULL, entries=(entry("shown", 5), entry("declined", 4))), {}, "wallet_cooldown"),
    ],
)
def test_limits(wallet: Wallet, more: Any, why: str) -> None:
    assert asked(wallet, **more) == why


def test_after_the_cooldown_there_may_be_another() -> None:
    assert asked(replace(FULL, entries=(entry("shown", 31), entry("declined", 30.5)))) is None


def test_whoever_only_declines_is_left_alone() -> None:
    rules = WalletRules(cooldown_days=1)
    rows = [entry(state, day, decision=f"d{day // 5}") for day in (5, 10, 15) for state in ("shown", "declined")]
    assert asked(replace(FULL, rules=rules, entries=tuple(rows))) == "wallet_declined"


def test_declined_and_expired_money_is_free_again() -> None:
    rows = (entry("shown", 9, "a"), entry("declined", 8, "a"), entry("shown", 7, "b"), entry("accepted", 6, "b"),
            entry("shown", 5, "c"), entry("expired", 1, "c"), entry("shown", 3, "d"), entry("shown", 40, "e"))  # fmt: skip
    assert committed(rows, since=NOW - 30 * DAY_MS) == 1000


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["shown", "accepted", "declined", "expired"]), st.floats(0, 60), st.integers(0, 9_000)
        ),
        max_size=20,
    ),
    st.integers(0, 300_000), st.integers(1, 20_000), st.integers(0, 10**7),
)  # fmt: skip
def test_an_allowed_offer_never_breaks_budget_cap_or_margin(rows: Any, spent: int, cost: int, turnover: int) -> None:
    entries = tuple(entry(state, age, f"d{n}", amount) for n, (state, age, amount) in enumerate(rows))
    wallet = Wallet(WalletRules(), spent, entries, orders=1, turnover_year=turnover, margin=0.3)
    if asked(wallet, cost=cost) is None:
        assert spent + cost <= wallet.rules.budget
        assert committed(entries, since=NOW - 30 * DAY_MS) + cost <= wallet.rules.customer_cap
        assert cost <= left(wallet, NOW)
        assert cost <= turnover * 0.2 + 1


@pytest.mark.parametrize(
    "settings", [{"budget": -1}, {"period_days": 0}, {"least_margin": 1.0}, {"generosity": 3}, {"most_declined": -1}]
)
def test_senseless_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"wallet|least_margin"):
        WalletRules.from_settings(settings)


def test_settings_override_the_defaults() -> None:
    assert WalletRules.from_settings({"budget": 5}).budget == 5
