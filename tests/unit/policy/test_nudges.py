"""Rules for speaking first."""

from __future__ import annotations

import pytest

from assistant.policy.nudges import Nudging, Rule, choose

TEXT = {"en": "Hello", "zh": "您好"}
CART = {"name": "cart", "page": "/cart*", "after": 30, "risk": "elevated", "text": TEXT}
HELP = {"page": "/help", "text": TEXT}


def rules(*given: dict[str, object]) -> tuple[Rule, ...]:
    return Nudging.from_settings({"rules": list(given)}).rules


@pytest.mark.parametrize(
    ("band", "waited", "expected"),
    [
        ("high", 30, ("cart", None)),
        ("elevated", 31, ("cart", None)),
        ("low", 31, (None, None)),
        (None, 31, (None, None)),
        ("unheard-of", 31, (None, None)),
        ("high", 29, (None, 30)),
        (None, 29, (None, 30)),
    ],
)
def test_a_rule_speaks_from_its_time_and_band_on(
    band: str | None, waited: int, expected: tuple[str | None, int | None]
) -> None:
    rule, again = choose(rules(CART), page="/cart/1", waited_s=waited, band=band)
    assert (None if rule is None else rule.name, again) == expected


def test_when_to_ask_again_tells_nothing_of_the_customer() -> None:
    several = rules(CART, CART | {"after": 90, "risk": "high"}, {"text": TEXT, "after": 200})
    for waited in (0, 29, 60, 120):
        asked = {choose(several, page="/cart", waited_s=waited, band=band)[1] for band in (None, "low")}
        assert len(asked) == 1


def test_the_first_that_fits_speaks_and_pages_are_whole_paths() -> None:
    found = rules(HELP, {"name": "all", "text": TEXT})
    assert choose(found, page="/help", waited_s=0, band=None)[0] is found[0]
    assert choose(found, page="/help/2", waited_s=0, band=None)[0] is found[1]
    assert not rules({"page": "/a.c", "text": TEXT})[0].fits("/abc")
    assert rules({"page": "*cart*", "text": TEXT})[0].fits("/x/cart\n/y")


def test_the_text_is_in_the_readers_language_or_the_first() -> None:
    rule = rules(HELP)[0]
    assert [rule.in_language(tag) for tag in ("zh-CN", "zh", "en_GB", "fr", "")] == [
        "您好",
        "您好",
        "Hello",
        "Hello",
        "Hello",
    ]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([], "rules"),
        ({"rules": "x"}, "rules"),
        ({"rules": []}, "1 to"),
        ({"rules": [HELP], "every": 1}, "unknown every"),
        ({"rules": [HELP], "every_days": 0}, "every_days"),
        ({"rules": [HELP], "every_days": True}, "every_days"),
        ({"rules": ["x"]}, "rule 1 is no object"),
        ({"rules": [HELP, {"text": {}}]}, "rule 2: text"),
        ({"rules": [{"text": {"en": " "}}]}, "text"),
        ({"rules": [{"text": {"en": "x" * 301}}]}, "text"),
        ({"rules": [HELP | {"risk": "grave"}]}, "risk"),
        ({"rules": [HELP | {"after": -1}]}, "after"),
        ({"rules": [HELP | {"after": 1.5}]}, "after"),
        ({"rules": [HELP | {"page": ""}]}, "page"),
        ({"rules": [HELP | {"pages": "/"}]}, "unknown pages"),
    ],
)
def test_what_is_wrong_is_named(given: object, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Nudging.from_settings(given)
