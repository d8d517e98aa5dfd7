"""The playbook's loader: good rows in, bad rows reported with their line, the packaged playbook flawless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from retrieval import playbook

GOOD: dict[str, Any] = {
    "family": "price/voucher-1",
    "intent": "too_expensive",
    "stage": "compensate",
    "reasons": ["price"],
    "bands": ["high"],
    "slots": ["offer_amount"],
    "conditions": {"verified": True},
    "tone": "warm",
    "offer": {"id": "v5", "kind": "voucher", "amount": 500, "cost": 400, "valid_days": 14},
    "approved_by": "qa",
    "version": 2,
    "locales": {
        "en": {
            "title": "Voucher",
            "text": "{% if name %}{{ name }}, {% endif %}{{ offer_amount }} off",
            "examples": ["too dear"],
            "quick_replies": ["Take it"],
        },
        "zh": {"title": "优惠券", "text": "送您 {{ offer_amount }}", "examples": ["太贵了"], "quick_replies": []},
    },
}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_family_becomes_one_script_a_locale(tmp_path: Path) -> None:
    scripts, faults = playbook.load([write(tmp_path, GOOD)])
    assert faults == []
    assert [script.id for script in scripts] == ["price/voucher-1@en", "price/voucher-1@zh"]
    english = scripts[0]
    assert english.offer is not None
    assert (english.offer.amount, english.offer.valid_days) == (500, 14)
    assert (english.family, english.locale, english.version, english.bands) == ("price/voucher-1", "en", 2, ("high",))
    assert english.quick_replies == ("Take it",)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"approved_by": ""}, "approved_by"),
        ({"stage": "sell"}, "stage"),
        ({"bands": []}, "bands"),
        ({"extra": 1}, "extra"),
        ({"slots": []}, "not declared: offer_amount"),
        ({"locales": {"en": {"title": "t", "text": "{{ broken"}}}, "locales.en.text"),
        ({"locales": {"en": {"title": "t", "text": "see https://x.example"}}}, "link"),
        ({"conditions": {"tenure": {"min": 365}}}, "conditions.tenure"),
        ({"conditions": {"tenure_days": 365}}, "conditions.tenure_days"),
        ({"conditions": {"tenure_days": {}}}, "expected min, max or both"),
        ({"conditions": {"value_year": {"min": 9, "max": 5}}}, "min is above max"),
        ({"conditions": {"value_year": {"min": "much"}}}, "conditions.value_year.min"),
        ({"conditions": {"verified": "perhaps"}}, "conditions.verified"),
        ({"offer": {"id": "v5", "kind": "gold", "amount": 1, "cost": 1}}, "offer.kind"),
    ],
)
def test_a_bad_row_is_reported_and_does_not_stop_the_good_one(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    scripts, faults = playbook.load([write(tmp_path, {**GOOD, "family": "bad/one-1", **change}, GOOD)])
    assert len(scripts) == 2
    assert [fault.line for fault in faults] == [1]
    assert complaint in faults[0].reason


def test_a_script_may_be_for_customers_of_a_tenure_and_value(tmp_path: Path) -> None:
    audience = {"tenure_days": {"min": 365}, "value_year": {"min": 0, "max": 50_000}, "asked": False}
    scripts, faults = playbook.load([write(tmp_path, {**GOOD, "conditions": audience})])
    assert faults == []
    assert scripts[0].conditions == audience


def test_broken_json_and_a_second_family_of_the_same_name_are_reported(tmp_path: Path) -> None:
    scripts, faults = playbook.load([write(tmp_path, "{nonsense", "", GOOD, GOOD)])
    assert len(scripts) == 2
    assert [fault.line for fault in faults] == [1, 4]
    assert "already stands at rows.jsonl:3" in faults[1].reason
    assert str(faults[0]).startswith("rows.jsonl:1: ")


def test_the_packaged_playbook_is_whole() -> None:
    scripts, faults = playbook.load(playbook.packaged())
    assert [str(fault) for fault in faults] == []
    families = {script.family: set() for script in scripts}
    for script in scripts:
        families[script.family].add(script.locale)
        assert script.examples or script.stage in {"handoff", "close", "greet"} or script.title
    assert len(families) >= 60
    assert all(locales == {"en", "zh"} for locales in families.values())
