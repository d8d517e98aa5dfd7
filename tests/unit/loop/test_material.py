"""What a site's log gives to learn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Connection, update
from typer.testing import CliRunner

from assistant.cli import app
from assistant.erasure.erase import erase_contact
from assistant.loop.material import material
from assistant.storage.migrate import upgrade
from assistant.storage.tables import conversation
from risk import artefact
from risk.conversation import data as conversation_data

DAY = 86_400_000
START = 1_795_000_000_000
NOW = START + 100 * DAY
runner = CliRunner()


def rate(shop: Any, conversation_id: str, stars: int) -> None:
    shop.storage.write_sync(
        lambda connection: connection.execute(
            update(conversation).where(conversation.c.id == conversation_id).values(csat=stars)
        )
    )


@pytest.fixture
def told(shop: Any) -> Any:
    """Ada rates what she wrote, Ben says nothing of it, Cleo has only bought."""
    ada, key = shop.customer("ada")
    talk, _ = shop.talk(ada, key, ["where is it?", "mail me at ada@example.com"], START)
    rate(shop, talk, 1)
    ben, key = shop.customer("ben")
    shop.talk(ben, key, ["thanks"], START)
    shop.customer("cleo")
    shop.order("ada", START - DAY)
    shop.order("cleo", START - 2 * DAY)
    shop.order("cleo", START, ingested=NOW + DAY)
    return shop


def test_a_rating_is_the_level_of_the_last_message_and_words_are_redacted(told: Any, tmp_path: Path) -> None:
    with material("demo", told.storage, told.site_id, NOW, tmp_path) as log:
        path = log.conversations()
        ada, ben = conversation_data.read([path])
    assert not path.exists()
    assert ada.levels == (None, None, 0, None)
    assert ada.messages[2].text == "mail me at [email]"
    assert ada.customer == "ada".ljust(64, "k")
    assert ada.level == 0
    assert ben.levels == (None, None)


def test_histories_hold_what_was_known_of_those_who_bought(told: Any, tmp_path: Path) -> None:
    with material("demo", told.storage, told.site_id, NOW, tmp_path) as log:
        found = log.histories()
    assert [name.rstrip("k") for name in found] == ["ada", "cleo"]
    assert [order.ts_event for order in found["cleo".ljust(64, "k")].orders] == [START - 2 * DAY]
    assert len(found["ada".ljust(64, "k")].orders) == 1


def test_another_site_and_people_who_were_erased_are_not_in_it(told: Any, tmp_path: Path) -> None:
    ada, *_ = _ids(told)

    def erase(connection: Connection) -> None:
        erase_contact(connection, ada, site_id=told.site_id, actor="system", now=NOW)

    told.storage.write_sync(erase)
    with material("demo", told.storage, told.site_id, NOW, tmp_path) as log:
        assert [name.rstrip("k") for name in log.histories()] == ["cleo"]
        assert [talk.messages[0].text for talk in conversation_data.read([log.conversations()])] == ["thanks"]
    with material("other", told.storage, "another", NOW, tmp_path) as log:
        assert log.histories() == {}
        assert log.conversations().read_bytes() == b""


def _ids(shop: Any) -> list[str]:
    from sqlalchemy import select

    from assistant.storage.tables import contact

    query = select(contact.c.id).order_by(contact.c.external_id)
    return list(shop.storage.read_sync(lambda connection: connection.execute(query).scalars().all()))


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a made-up shop's two years."""
    folder = tmp_path_factory.mktemp("shop")
    upgrade(f"sqlite:///{folder / 'staywell.db'}")
    filled = runner.invoke(app, ["simulate", "log", "--decisions", "600", "--data-dir", str(folder)])
    assert filled.exit_code == 0, filled.output
    return folder


def test_a_history_model_is_learnt_from_the_log(made_up: Path, tmp_path: Path) -> None:
    run = runner.invoke(
        app,
        ["train", "history", "--site", "made-up", "--data-dir", str(made_up), "--out", str(tmp_path), "--json"],
    )
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert found["data"]["history"]["files"][0]["name"] == "log of made-up"
    assert 0.5 < found["metrics"]["history"]["auc"] <= 1
    assert artefact.load(Path(found["path"])).version == found["version"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "history", "--site", "nobody"], "no site with the key"),
        (["train", "fusion", "--site", "nobody"], "no site with the key"),
        (["train", "history"], "give --transactions or --site"),
        (["train", "conversations"], "give --data, or --site"),
        (["train", "--all"], "--all with --data"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_in_a_line(
    made_up: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    where = [] if "--all" in arguments else ["--out", str(tmp_path)]
    if "--site" in arguments:
        where += ["--data-dir", str(made_up)]
    run = runner.invoke(app, [*arguments, *where])
    assert run.exit_code == 2
    assert said in " ".join(run.output.split())
    assert list(tmp_path.iterdir()) == []


def test_without_the_product_there_is_no_log(tmp_path: Path) -> None:
    from risk.commands import train_app

    alone = typer.Typer()
    alone.add_typer(train_app, name="train")
    run = runner.invoke(alone, ["train", "history", "--site", "demo", "--out", str(tmp_path)])
    assert run.exit_code == 2
    assert "give files" in run.output
