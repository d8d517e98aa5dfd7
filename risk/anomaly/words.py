"""A signal in words, for people who decide: what stands out and how rare it is. It describes, it accuses nobody."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, dict[str, str]]] = {
    "order_burst": {
        "en": "Orders in the last week: {value} × the usual pace",
        "zh": "近一周下单频率为平时的 {value} 倍",
    },
    "orders_week": {"en": "Orders in the last week: {value}", "zh": "近一周下单 {value} 次"},
    "young_orders": {"en": "Orders a week since the first one: {value}", "zh": "自首单以来每周下单 {value} 次"},
    "returns_month": {"en": "Returns in the last 30 days: {value}", "zh": "近 30 天退货 {value} 次"},
    "return_share": {"en": "Share of orders sent back: {value} %", "zh": "退货订单占比 {value} %"},
    "return_money": {"en": "Share of spending refunded: {value} %", "zh": "退款金额占比 {value} %"},
    "cancelled_share": {"en": "Share of orders cancelled: {value} %", "zh": "取消订单占比 {value} %"},
    "coupon_orders": {"en": "Orders with a coupon in 90 days: {value}", "zh": "近 90 天用券下单 {value} 次"},
    "contacts_month": {"en": "Conversations in the last 30 days: {value}", "zh": "近 30 天咨询 {value} 次"},
    "escalations_quarter": {"en": "Handed to a person in 90 days: {value}", "zh": "近 90 天转人工 {value} 次"},
}
RARE: Final = {"en": "as many or more: {percent} % of customers", "zh": "达到或超过者占顾客的 {percent} %"}


def in_words(code: str, value: float, share: float) -> dict[str, str]:
    """{en, zh} of a signal that stood out. `share`: of customers who show as much or more."""
    shown = value * 100 if code.endswith(("_share", "_money")) else value
    number, percent = f"{shown:.1f}".removesuffix(".0"), f"{share * 100:.2g}"
    return {
        language: f"{WORDS[code][language].format(value=number)} ({RARE[language].format(percent=percent)})"
        for language in ("en", "zh")
    }
