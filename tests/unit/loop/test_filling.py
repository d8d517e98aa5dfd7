"""A made-up shop in a database: what is in it is as sound as what a running shop leaves there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from assistant.cli import app
from assistant.errors import Conflict
from assistant.loop import once
from assistant.loop.filling import OFFER, Filled, fill
from assistant.loop.skew import measure
from assistant.outcomes.check import check
from assistant.storage.tables import contact, conversation, decision, event, orders, outcome
from retrieval.encoders import load

NOW = 1_795_000_000_000
SECRET = b"secret"


def filled(shop: Any, decisions: int = 1500, seed: int = 0) -> Filled:
    return fill(shop.storage, shop.site_id, decisions=decisions, secret=SECRET, now=NOW, seed=seed)


def count(shop: Any, table: Any, *where: Any) -> int:
    return shop.storage.read_sync(
        lambda c: c.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    )


def test_the_log_is_sound_and_says_what_it_says_it_holds(shop: Any) -> None:
    made = filled(shop)
    assert made.decisions >= 1500
    assert shop.storage.read_sync(lambda c: list(check(c, secret=SECRET))) == []
    for number, table in (
        (made.customers, contact), (made.conversations, conversation), (made.messages, event),
        (made.decisions, decision), (made.orders, orders),
    ):  # fmt: skip
        assert count(shop, table) == number
    assert count(shop, decision, decision.c.action == OFFER) == made.offers > 0
    assert count(shop, decision, decision.c.ts_decision > NOW) == 0
    served = shop.storage.read_sync(lambda c: measure(c, load("hash"), sample=300))
    assert served.decisions == 300
    assert served.sound  # history features as a running shop would serve them


def test_what_came_of_it_is_found_as_in_a_shop(shop: Any) -> None:
    filled(shop)
    assert once.ripen(shop.storage, shop.site_id, NOW) > 500
    assert once.ripen(shop.storage, shop.site_id, NOW) == 0
    left = {
        name: count(shop, outcome, outcome.c.type == "inactive_90", outcome.c.value == value)
        for name, value in (("away", 1.0), ("back", 0.0))
    }
    assert min(left.values()) > 20


def test_it_is_the_same_for_the_same_seed_and_never_mixed_with_a_log(shop: Any) -> None:
    made = filled(shop, 300)
    with pytest.raises(Conflict, match="log already"):
        filled(shop, 300)
    assert (made.customers, made.offers) != (0, 0)


def test_the_command_makes_what_is_missing_and_refuses_a_second_time(tmp_path: Path) -> None:
    command = ["simulate", "log", "--decisions", "200", "--data-dir", str(tmp_path / "new"), "--json"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["decisions"] >= 200
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "log already" in again.output
    other = CliRunner().invoke(app, [*command[:-1], "--site", "second"])
    assert other.exit_code == 0, other.output
    assert "decisions" in other.output
