"""The shipped playbook: complete, in both languages, honest in tone, and without scripts that repeat each other."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from importlib import resources
from typing import Any, get_args

import pytest
from jinja2 import meta
from jinja2.sandbox import SandboxedEnvironment

from retrieval import playbook
from retrieval.documents import BANDS, REASONS, Stage

LOCALES = ("en", "zh")
FREE_SLOTS = {"name"}  # may be used inside {% if name %} without being declared
SLOTS = {
    "name", "order_no", "order_status", "order_item", "order_date", "promised_date", "delivered_date", "order_total",
    "product_title", "product_price", "product_list", "offer_amount", "offer_valid_until", "return_no", "agent_wait",
    "site_name",
}  # fmt: skip
ORDER_SLOTS = {
    "order_no", "order_status", "order_item", "order_date", "promised_date", "delivered_date", "order_total", "return_no"
}  # fmt: skip
TEXT_LIMIT = 400
QUICK_REPLY_LIMIT = {"en": 24, "zh": 12}
CURRENCY = re.compile(
    r"[€$£¥￥%]|\b(?:EUR|USD|CNY|RMB)\b|\d\s*(?:euros?|dollars?|percent)|[\d一二三四五六七八九十百千]\s*(?:元|块|欧|美元|折)|百分之",
    re.I,
)
PROMISES = {
    "en": re.compile(
        r"\b(guarantee\w*|promise\w*|definitely|absolutely|certainly|for sure|always|never|immediately|right away|at once"
        r"|instantly|without fail|today|tonight|tomorrow|within \w+ (?:hours?|days?|minutes?))\b",
        re.I,
    ),
    "zh": re.compile(r"保证|承诺|一定|绝对|肯定会|必定|立即|立刻|马上|今天|明天|永远|百分之百|小时内|天内|分钟内"),
}
# Words of the list that are allowed, because the sentence promises nothing with them.
PROMISES_ALLOWED = {
    ("competitor/win-back-2", "en"): {"today"},
    ("delivery/win-back-2", "en"): {"today"},
    ("trust/win-back-2", "zh"): {"马上"},
}
PRESSURE = {
    "en": re.compile(r"\b(hurry|last chance|only now|act now|limited time|don't miss|before it's too late)\b", re.I),
    "zh": re.compile(r"抓紧|赶快|最后机会|错过|仅限|手慢|限时"),
}
# What a customer may ask for or live through, and at least one script answers.
INTENTS = {
    "greeting", "thanks", "goodbye", "where_is_order", "late_parcel", "lost_parcel", "damaged", "wrong_item", "defect",
    "return_item", "refund_status", "exchange", "size_advice", "compatibility", "price_match", "discount_question",
    "voucher_problem", "payment_failed", "double_charge", "invoice", "change_address", "cancel_order", "delete_account",
    "login_problem", "privacy", "subscription", "newsletter", "product_question", "stock", "recommendation", "gift",
    "opening_hours", "service_complaint", "rude_agent", "waiting_too_long", "asks_human", "switching_away",
    "switching_to_us", "threatens_review", "legal_threat", "fraud_suspicion", "already_told", "not_understood",
    "small_talk", "are_you_a_bot", "language_switch", "abusive", "accessibility", "emergency", "self_harm",
}  # fmt: skip
HUMAN_INTENTS = {"asks_human", "legal_threat", "fraud_suspicion", "emergency", "self_harm", "threat"}


def load() -> list[tuple[str, dict[str, Any]]]:
    """(file stem, family) for every line of the shipped playbook."""
    folder = resources.files("retrieval") / "playbook"
    return [
        (file.name.removesuffix(".jsonl"), json.loads(line))
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if file.name.endswith(".jsonl")
        for line in file.read_text("utf-8").splitlines()
    ]


ROWS = load()
FAMILIES = [row for _, row in ROWS]
TEXTS = [pytest.param(row, locale, id=f"{row['family']}@{locale}") for row in FAMILIES for locale in LOCALES]


def used_slots(template: str) -> set[str]:
    """Every variable that a template reads."""
    return meta.find_undeclared_variables(SandboxedEnvironment().parse(template))


def test_there_are_at_least_150_families_with_unique_names() -> None:
    names = [row["family"] for row in FAMILIES]
    assert len(names) >= 150
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_a_family_lives_in_the_file_named_after_its_topic() -> None:
    assert [row["family"] for stem, row in ROWS if row["family"].split("/")[0] != stem] == []


def test_the_importer_takes_every_row() -> None:
    scripts, faults = playbook.load(playbook.packaged())
    assert faults == []
    assert len(scripts) == len(FAMILIES) * len(LOCALES)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["family"]) for row in FAMILIES])
def test_fields(row: dict[str, Any]) -> None:
    known = {
        "family", "intent", "stage", "reasons", "bands", "slots", "conditions", "tone", "offer", "approved_by", "version",
        "locales",
    }  # fmt: skip
    assert set(row) <= known
    assert re.fullmatch(r"[a-z-]+/[a-z-]+-\d+", row["family"])
    assert row["stage"] in get_args(Stage)
    assert set(row["reasons"]) <= set(REASONS)
    assert row["bands"]
    assert set(row["bands"]) <= set(BANDS)
    assert row["approved_by"]
    assert row["version"] >= 1
    assert set(row["locales"]) == set(LOCALES)
    assert set(row["conditions"]) <= {"verified", "has_order", "asked", "asked_for_more", "tenure_days", "value_year"}


@pytest.mark.parametrize(("row", "locale"), TEXTS)
def test_the_slots_used_are_the_slots_declared(row: dict[str, Any], locale: str) -> None:
    used = used_slots(row["locales"][locale]["text"])
    assert used <= SLOTS
    assert used - FREE_SLOTS == set(row["slots"]) - FREE_SLOTS
    if "name" in used and "name" not in row["slots"]:
        assert "{% if name %}" in row["locales"][locale]["text"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["family"]) for row in FAMILIES])
def test_what_belongs_to_a_customer_is_shown_to_a_verified_customer_only(row: dict[str, Any]) -> None:
    if set(row["slots"]) & ORDER_SLOTS:
        assert row["conditions"] == {"verified": True, "has_order": True}
    if row.get("offer"):
        assert row["conditions"].get("verified") is True


@pytest.mark.parametrize(("row", "locale"), TEXTS)
def test_the_name_is_optional(row: dict[str, Any], locale: str) -> None:
    template = SandboxedEnvironment().from_string(row["locales"][locale]["text"])
    values = {slot: f"<{slot}>" for slot in row["slots"]}
    for text in (template.render(values), template.render(values, name="Ada")):
        assert text == text.strip()
        assert "  " not in text
        assert text[-1] in ".?。？"
        assert text[0] not in ",，.。"


@pytest.mark.parametrize(("row", "locale"), TEXTS)
def test_wording_is_short_plain_and_keeps_its_promises(row: dict[str, Any], locale: str) -> None:
    variant = row["locales"][locale]
    prose = re.sub(r"{{.*?}}|{%.*?%}", "", variant["text"])
    assert len(variant["text"]) <= TEXT_LIMIT
    assert 0 < len(variant["title"]) <= 60
    assert not CURRENCY.search(prose), "amounts come from the offer slots alone"
    allowed = PROMISES_ALLOWED.get((row["family"], locale), set())
    assert {found.lower() for found in PROMISES[locale].findall(prose)} <= allowed
    assert not PRESSURE[locale].search(prose)
    assert "!" not in prose
    assert "！" not in prose
    assert "http" not in prose


@pytest.mark.parametrize(("row", "locale"), TEXTS)
def test_examples_and_quick_replies(row: dict[str, Any], locale: str) -> None:
    variant = row["locales"][locale]
    # What is not the shop's matter can be anything: the more of it is known, the less of it is taken for something else.
    assert 5 <= len(variant["examples"]) <= (60 if row["intent"] == "off_topic" else 16)
    assert len(set(variant["examples"])) == len(variant["examples"])
    assert len(variant["quick_replies"]) <= 4
    assert all(0 < len(reply) <= QUICK_REPLY_LIMIT[locale] for reply in variant["quick_replies"])
    assert len(variant["quick_replies"]) == len(row["locales"]["en"]["quick_replies"])


@pytest.mark.parametrize("row", [pytest.param(row, id=row["family"]) for row in FAMILIES])
def test_chinese_is_chinese_and_english_is_english(row: dict[str, Any]) -> None:
    def share_of_han(text: str) -> float:
        letters = [char for char in re.sub(r"{{.*?}}|{%.*?%}", "", text) if char.isalpha()]
        return sum("\u4e00" <= char <= "\u9fff" for char in letters) / max(len(letters), 1)

    assert share_of_han(row["locales"]["zh"]["text"]) > 0.7
    assert share_of_han(row["locales"]["en"]["text"]) < 0.1
    assert "你" not in row["locales"]["zh"]["text"], "customers are addressed as 您"


def test_offers_stay_where_they_belong() -> None:
    offers = [row for row in FAMILIES if row.get("offer")]
    assert len(offers) >= 8
    for row in offers:
        offer = row["offer"]
        assert set(offer) == {"id", "kind", "amount", "cost", "valid_days"}
        assert row["stage"] in {"compensate", "win_back"}
        assert "low" not in row["bands"]
        assert offer["cost"] > 0
        assert 7 <= offer["valid_days"] <= 60
        if offer["kind"] == "voucher":
            assert 0 < offer["amount"] <= 1500
        elif offer["kind"] == "percent":
            assert 0 < offer["amount"] <= 15
        else:
            assert offer["amount"] == 0
        assert ("offer_amount" in row["slots"]) == (offer["kind"] in {"voucher", "percent"})
    ids = [row["offer"]["id"] for row in offers]
    assert len(set(ids)) == len(ids)
    assert [row["family"] for row in FAMILIES if "offer_amount" in row["slots"] and not row.get("offer")] == []


def test_coverage_of_reasons_bands_and_stages() -> None:
    """Named for the reason itself, not by way of a script that suits any reason."""
    stages = ("acknowledge", "clarify", "fix", "compensate", "win_back", "recommend", "handoff", "close")
    counts = Counter(
        (reason, band, row["stage"]) for row in FAMILIES for reason in row["reasons"] for band in row["bands"]
    )
    print("\n" + "reason/band".ljust(22) + "".join(stage.rjust(12) for stage in stages))
    for reason, band in itertools.product(REASONS, BANDS):
        cells = (str(counts[reason, band, stage]).rjust(12) for stage in stages)
        print(f"{reason}/{band}".ljust(22) + "".join(cells))
    needed = ("acknowledge", "clarify", "fix", "compensate", "win_back", "close")
    missing = [key for key in itertools.product(REASONS, BANDS, needed) if not counts[key]]
    assert missing == []
    # Showing products to someone whose trouble is the service or the account would miss the point.
    sellable = [reason for reason in REASONS if reason not in {"service", "account"}]
    assert [reason for reason in sellable if not counts[reason, "high", "recommend"]] == []
    assert [reason for reason in REASONS if not counts[reason, "high", "handoff"]] == []


def test_every_intent_of_a_shop_has_a_script_that_needs_no_slots() -> None:
    assert INTENTS - {row["intent"] for row in FAMILIES} == set()
    without_slots = {row["intent"] for row in FAMILIES if not row["slots"]}
    assert INTENTS - without_slots == set()


def test_what_no_bot_should_answer_goes_to_a_person() -> None:
    assert {row["stage"] for row in FAMILIES if row["intent"] in HUMAN_INTENTS} == {"handoff"}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("field", ["text", "examples"])
def test_no_two_families_say_the_same(locale: str, field: str) -> None:
    def grams(row: dict[str, Any]) -> set[str]:
        value = row["locales"][locale][field]
        text = value if isinstance(value, str) else " ".join(value)
        text = re.sub(r"\s+", " ", text.lower())
        return {text[i : i + 5] for i in range(max(len(text) - 4, 1))}

    shingles = [(row["family"], grams(row)) for row in FAMILIES]
    close = [
        (a, b)
        for (a, left), (b, right) in itertools.combinations(shingles, 2)
        if len(left & right) / len(left | right) >= 0.8
    ]
    assert close == []


@pytest.mark.parametrize("locale", LOCALES)
def test_no_example_stands_for_two_intents(locale: str) -> None:
    owners: dict[str, set[str]] = {}
    for row in FAMILIES:
        for example in row["locales"][locale]["examples"]:
            owners.setdefault(example.lower(), set()).add(row["intent"])
    assert {example: intents for example, intents in owners.items() if len(intents) > 1} == {}
