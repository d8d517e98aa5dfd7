"""Clicks and purchases become grades of what was shown, and nothing else does."""

from __future__ import annotations

import stat
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update
from typer.testing import CliRunner

from assistant.commands import indexing
from assistant.conversations.store import NewEvent, append
from assistant.ids import new_id
from assistant.outcomes import log
from assistant.outcomes.judgements import WINDOW_MS, Judgement, judgements
from assistant.outcomes.store import record
from assistant.storage.tables import contact, event, orders

NOW = 1_795_000_000_000


@pytest.fixture
def answered(made: Any) -> Any:
    """Shows products for a question; gives the decision's id."""

    def ask(question: str, *products: str) -> str:
        def work(connection: Connection) -> str:
            seq = append(connection, made.conversation_id, NewEvent("contact", "message", body=question), now=NOW).seq
            cards = {"products": [{"id": product} for product in products]}
            kind = "products" if products else "message"
            said = append(connection, made.conversation_id, NewEvent("bot", kind, body="Here", data=cards), now=NOW).seq
            row = made.row(seq, reply_seq=said)
            log.write(connection, row)
            return str(row["id"])

        return str(made.write(work))

    return ask


def click(made: Any, decision: str, product: str) -> None:
    made.write(
        lambda connection: record(
            connection,
            site_id=made.site_id,
            idempotency_key=f"click:{decision}:{product}",
            type="click",
            source="widget",
            ts_event=NOW + 1,
            now=NOW + 1,
            decision_id=decision,
            label={"product": product},
        )
    )


def order(made: Any, product: str, at: int, status: str = "placed") -> None:
    def work(connection: Connection) -> None:
        connection.execute(update(contact).values(external_id="C1"))
        connection.execute(
            insert(orders).values(
                id=new_id(),
                site_id=made.site_id,
                order_no=new_id(),
                external_customer_id="C1",
                status=status,
                total=1,
                currency="EUR",
                lines=[{"product_id": product}],
                ts_event=at,
                ts_ingested=at,
            )
        )

    made.write(work)


def found(made: Any) -> list[Judgement]:
    return list(made.read(lambda connection: judgements(connection, site_id=made.site_id)))


def test_shown_clicked_and_bought_are_told_apart(made: Any, answered: Any) -> None:
    decision = answered("a kettle", "P1", "P2", "P3")
    answered("thanks")
    click(made, decision, "P2")
    order(made, "P3", NOW + 10)
    assert found(made) == [
        Judgement("a kettle", "P1", 0.0),
        Judgement("a kettle", "P2", 2.0),
        Judgement("a kettle", "P3", 3.0),
    ]


def test_the_same_question_twice_counts_by_the_mean(made: Any, answered: Any) -> None:
    click(made, answered("a kettle", "P1"), "P1")
    answered(" a  kettle", "P1")
    assert found(made) == [Judgement("a kettle", "P1", 1.0)]


@pytest.mark.parametrize(
    ("at", "status"), [(NOW - 1, "placed"), (NOW + WINDOW_MS + 1, "placed"), (NOW + 1, "cancelled")]
)
def test_orders_before_after_and_cancelled_are_no_praise(made: Any, answered: Any, at: int, status: str) -> None:
    answered("a kettle", "P1")
    order(made, "P1", at, status)
    assert found(made) == [Judgement("a kettle", "P1", 0.0)]


def test_the_file_is_its_owner_s_alone_also_in_place_of_one_that_was_not(
    made: Any, answered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    click(made, answered("a kettle", "P1"), "P1")
    monkeypatch.setattr(indexing, "storage_of", lambda _settings: nullcontext(made.storage))
    path = tmp_path / "judged.csv"
    path.touch(0o644)
    done = CliRunner().invoke(indexing.index_app, ["judgements", "--out", str(path)])
    assert done.exit_code == 0, done.output
    assert path.read_text(encoding="utf-8").splitlines() == ["query,docid,rating", "a kettle,P1,2.0"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_question_is_redacted(made: Any, answered: Any) -> None:
    answered("red shoes, call +49 170 1234567", "p1")
    assert [one.query for one in found(made)] == ["red shoes, call [phone]"]


def test_an_erased_question_judges_nothing(made: Any, answered: Any) -> None:
    answered("a kettle", "P1")
    made.write(lambda connection: connection.execute(update(event).values(body=None)))
    assert found(made) == []
