"""Opening hours, over days, time zones and changes of the clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from typer.testing import CliRunner

from assistant.cli import app
from assistant.escalation import store
from assistant.escalation.hours import Hours
from assistant.identity import sites
from assistant.settings import Settings
from assistant.storage import migrate
from assistant.storage.engine import Storage
from assistant.storage.tables import site

WORKDAYS = {day: [["09:00", "12:30"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def hours(timezone: str = "UTC", **given: Any) -> Hours:
    found = Hours.from_settings({"timezone": timezone, "hours": WORKDAYS | given})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("when", "is_open", "opens"),
    [
        ("2026-11-24T09:00", True, "2026-11-24T09:00"),  # a Tuesday
        ("2026-11-24T08:59", False, "2026-11-24T09:00"),
        ("2026-11-24T12:30", False, "2026-11-24T13:30"),
        ("2026-11-24T18:00", False, "2026-11-25T09:00"),
        ("2026-11-27T20:00", False, "2026-11-30T09:00"),  # over the weekend
    ],
)
def test_open_and_next_opening(when: str, is_open: bool, opens: str) -> None:
    assert hours().is_open(at(when)) == is_open
    assert hours().next_opening(at(when)) == at(opens)


def test_hours_are_those_of_the_place_and_follow_its_clock() -> None:
    berlin = hours("Europe/Berlin")
    assert berlin.next_opening(at("2026-10-23T17:00")) == at("2026-10-26T08:00"), "winter time begins in between"
    assert hours("Asia/Shanghai").is_open(at("2026-11-24T01:30"))


def test_closed_days_and_the_end_of_the_day() -> None:
    found = hours(closed=["2026-11-24"], sat=[["00:00", "24:00"]])
    assert found.next_opening(at("2026-11-24T10:00")) == at("2026-11-25T09:00")
    assert found.is_open(at("2026-11-28T23:59"))
    assert not found.is_open(at("2026-11-29T00:00"))


def test_never_open_has_no_next_opening() -> None:
    found = Hours.from_settings({"hours": {}})
    assert found is not None
    assert found.next_opening(at("2026-11-24T10:00")) is None
    assert Hours.from_settings({}) is None


@given(st.integers(at("2026-01-01T00:00"), at("2027-01-01T00:00")))
def test_at_the_next_opening_it_is_open(when: int) -> None:
    found = hours("Europe/Berlin", closed=["2026-12-25", "2026-12-26"])
    opens = found.next_opening(when)
    assert opens is not None
    assert opens >= when
    assert found.is_open(opens)


@pytest.mark.parametrize(
    "given_hours",
    [
        [],
        {"someday": []},
        {"mon": [["18:00", "09:00"]]},
        {"mon": [["9", "18"]]},
        {"mon": [["09:00"]]},
        {"mon": [["09:60", "10:00"]]},
        {"mon": [["09:00", "24:01"]]},
        {"mon": 7},
        {"closed": ["tomorrow"]},
    ],
)
def test_bad_hours_are_named(given_hours: Any) -> None:
    with pytest.raises(ValueError, match="hours"):
        Hours.from_settings({"hours": given_hours})
    with pytest.raises(ValueError, match="timezone"):
        Hours.from_settings({"timezone": "Mars/Olympus", "hours": {}})


def test_who_asks_at_night_is_told_at_once_when_somebody_comes(shop: Any) -> None:
    shop.now = at("2026-11-24T20:00")
    settings = {"hours": WORKDAYS, "timezone": "UTC"}
    shop.write(lambda connection: connection.execute(update(site).values(settings=settings)))
    conv = shop.talk("anybody?")
    shop.escalate(conv)
    assert shop.events(conv)[-1]["data"] == {
        "reason": "asked_for_human",
        "position": 1,
        "opens_at": at("2026-11-25T09:00"),
    }
    shop.sweep()
    assert shop.events(conv)[-1]["kind"] == "waiting"
    assert shop.events(conv)[-1]["data"] == {"callback": True, "opens_at": at("2026-11-25T09:00")}
    assert shop.read(store.live_task, conv).state == "queued", "the task stays"
    anna = shop.hire("Anna")
    shop.sweep()
    assert shop.task_of(conv)["offered_to"] == anna.id, "an agent who works late may take it"


def test_broken_hours_never_stand_in_the_way(shop: Any) -> None:
    shop.write(lambda connection: connection.execute(update(site).values(settings={"hours": "always"})))
    conv = shop.talk("anybody?")
    shop.escalate(conv)
    shop.sweep()
    assert shop.kinds(conv) == ["message", "escalated"]


def test_the_command_takes_hours_alone_or_as_they_stand_in_the_settings(tmp_path: Path) -> None:
    url = Settings(data_dir=tmp_path).url
    migrate.upgrade(url)
    storage = Storage(url)
    site_id = storage.write_sync(lambda connection: sites.create(connection, key="shop", name="Shop", now=1)).id

    def settings() -> dict[str, Any]:
        return dict(storage.read_sync(lambda connection: sites.find_site(connection, site_id)).settings)

    def said(file: Any, *options: str) -> int:
        (tmp_path / "hours.json").write_text(json.dumps(file))
        named = [] if file is None else [str(tmp_path / "hours.json")]
        words = ["site", "hours", "shop", *named, *options, "--data-dir", str(tmp_path)]
        return CliRunner().invoke(app, words).exit_code

    week = {"mon": [["09:00", "12:30"]], "closed": ["2026-12-25"]}
    assert said({"timezone": "Europe/Berlin", "hours": week}) == 0
    assert settings() == {"timezone": "Europe/Berlin", "hours": week}
    assert said(week, "--timezone", "Asia/Shanghai") == 0
    assert settings() == {"timezone": "Asia/Shanghai", "hours": week}
    for wrong in ({"hours": week, "holdout": 0}, {"hours": {"mo": []}}, {"timezone": "Nowhere", "hours": week}, []):
        assert said(wrong) == 1
    assert said(None, "--always") == 0
    assert settings() == {"timezone": "Asia/Shanghai"}
    storage.close()
