"""A person taken out: nothing of them is left in the database or its files, the log still holds, chats close, a backup tells."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog
from argon2 import PasswordHasher
from click.testing import Result
from sqlalchemy import func, insert, select
from typer.testing import CliRunner

from assistant.cli import app as cli
from assistant.escalation import commands
from assistant.identity import audit
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.loop.build import build
from assistant.outcomes import store as outcomes
from assistant.outcomes.check import check
from assistant.storage.tables import audit as audit_table
from assistant.storage.tables import contact, conversation, decision, exposure, metadata, order_return, orders, outcome
from risk.dataset import files as training_sets
from tests.tools.chat_client import Contact, until
from tests.tools.postgres import Cluster
from tests.tools.whole_server import Whole, api_key_of, now_ms, whole_server

CANARY = "kanarienvogel"
CUSTOMER = f"no-{CANARY}-1"


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real cost is for attackers."""
    monkeypatch.setattr("assistant.identity.agents._hasher", PasswordHasher(1, 1024, 1))


@pytest.fixture(autouse=True)
def _logs_aside() -> Iterator[None]:
    """What the server logs must not come between what a command prints."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.reset_defaults()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Whole]:
    with whole_server(tmp_path, burst_pause_ms=0) as whole:
        yield whole


def people(server: Whole, external_id: str) -> str:
    query = select(contact.c.id).where(contact.c.external_id == external_id)
    return str(server.run(lambda connection: connection.execute(query).scalar_one()))


def rows(server: Whole, table: Any, *where: Any) -> int:
    return int(server.run(lambda c: c.execute(select(func.count()).select_from(table).where(*where)).scalar_one()))


def sentence(name: str) -> str:
    return f"I am {name}, my parcel is late and I want to speak to somebody"


async def live_through(server: Whole, customer: str, name: str) -> tuple[str, str, str]:
    """A customer with orders who chats, waits for a person, is helped, and rates; (token, conversation, agent's login)."""
    site = server.sites["shop"]
    identity = server.identity(customer, name=name, email=f"{name}@mail.example", region="DE")
    session = await server.session(identity=identity)
    token = session["token"]

    def buy(connection: Any) -> None:
        same = {"site_id": site.id, "external_customer_id": customer, "ts_event": now_ms(), "ts_ingested": now_ms()}
        connection.execute(
            insert(orders).values(
                id=new_id(),
                order_no=f"o-{name}",
                status="delivered",
                total=5,
                currency="EUR",
                lines=[{"title": name}],
                **same,
            )
        )
        connection.execute(
            insert(order_return).values(
                id=new_id(), return_no=f"r-{name}", order_no=f"o-{name}", reason="fit", amount=5, **same
            )
        )

    server.write(buy)
    async with Contact(server.base, token) as chat:
        ready = await chat.hello()
        conv = str(ready["conv"])
        for text in (f"Hello, {sentence(name)}", f"Really, {name}!"):
            assert (await chat.message(text))["t"] == "ack"
            await chat.expect("ev", where=lambda ev: ev["from"] == "bot" or ev["kind"] == "escalated", timeout_s=20)
    await until(lambda: rows(server, decision, decision.c.conversation_id == conv) == 2)
    login = f"agent-{len(server.agents)}"
    who = Agent(server.hire(login), site.id, login, "agent")

    def help_out(connection: Any) -> None:
        held = commands.take_over(connection, who, conv, now=now_ms())
        epoch = held.task.assign_epoch
        commands.send(connection, who, conv, cmid=str(uuid4()), body=f"Dear {name}", assign_epoch=epoch, now=now_ms())
        commands.write_note(connection, who, conv, cmid=str(uuid4()), body=f"{name} is upset", now=now_ms())
        commands.resolve(
            connection, who, conv, assign_epoch=epoch, disposition="solved", comment=f"{name} calmed", now=now_ms()
        )
        key = connection.execute(select(contact.c.customer_key).where(contact.c.external_id == customer)).scalar_one()
        outcomes.record(
            connection,
            site_id=site.id,
            idempotency_key=f"shop:order-{name}",
            type="purchase",
            source="shop",
            ts_event=now_ms(),
            now=now_ms(),
            customer_key=key,
            value=3.0,
        )
        connection.execute(
            insert(exposure).values(
                id=new_id(),
                site_id=site.id,
                kind="campaign",
                customer_key=key,
                starts_at=now_ms(),
                ts_ingested=now_ms(),
            )
        )

    server.write(help_out)
    async with httpx.AsyncClient(base_url=server.base, headers={"Authorization": f"Bearer {token}"}) as http:
        answer = await http.post("/api/widget/csat", json={"conv": conv, "score": 2, "comment": f"{name} is cross"})
        assert answer.status_code == 200
    return token, conv, login


def everything(server: Whole) -> str:
    """Every cell of every table but agents, who are not erased."""

    def work(connection: Any) -> str:
        text = []
        for table in metadata.sorted_tables:
            if table.name != "agent":
                for row in connection.execute(select(table)).mappings():
                    text.append(f"{table.name}: {json.dumps(dict(row), default=repr, ensure_ascii=False)}")
        return "\n".join(text)

    return str(server.run(work))


def files(server: Whole) -> bytes:
    return b"".join(path.read_bytes() for path in server.services.settings.data_dir.glob("staywell.db*"))


def trained(server: Whole, *, build_one: bool = False) -> str:
    """All that stands in the training sets."""
    parent = server.services.settings.data_dir / training_sets.FOLDER
    if build_one:
        site_id = server.sites["shop"].id
        build(server.services.storage, parent, site_id=site_id, as_of=now_ms(), horizon_days=90)
    return "".join(file.read_text(encoding="utf-8") for file in sorted(parent.rglob("*")) if file.is_file())


async def test_nothing_is_left_of_a_person_and_the_log_still_holds(server: Whole) -> None:
    token, conv, _ = await live_through(server, CUSTOMER, CANARY)
    await live_through(server, "no-2", "petra")
    who = people(server, CUSTOMER)
    keys = server.run(lambda c: c.execute(select(contact.c.customer_key).where(contact.c.id == who)).scalars().all())
    before = {table.name: rows(server, table) for table in (decision, outcome, exposure, conversation, contact)}
    assert CANARY in everything(server)
    assert conv in trained(server, build_one=True)
    async with httpx.AsyncClient(base_url=server.base) as http:
        http.headers["Authorization"] = f"Bearer {api_key_of('shop')}"
        answer = await http.post("/api/shop/erase", json={"customer": CUSTOMER})
        assert answer.status_code == 200, answer.text
        counts = answer.json()
        assert (counts["conversations"], counts["notes"], counts["orders"]) == (1, 1, 2)
        assert counts["messages"] >= 7
        again = await http.post("/api/shop/erase", json={"customer": CUSTOMER})
        assert (again.status_code, again.json()["code"]) == (404, "unknown_contact")
        chat = {"Authorization": f"Bearer {token}"}
        assert (await http.get(f"/api/widget/history?conv={conv}", headers=chat)).status_code == 401
    left = everything(server)
    assert CANARY not in left
    assert all(key not in left for key in keys)
    assert "petra" in left
    assert conv not in trained(server)
    assert all(key not in trained(server) for key in keys)
    await until(lambda: CANARY.encode() not in files(server), 5)
    # what the log keeps, and that it is whole
    assert before == {table.name: rows(server, table) for table in (decision, outcome, exposure, conversation, contact)}
    assert rows(server, decision, decision.c.conversation_id == conv) == 2
    secret = server.services.secret
    assert server.run(lambda connection: list(check(connection, secret=secret))) == []
    assert server.run(audit.verify) is None
    renamed = server.run(
        lambda c: {
            key
            for table in (decision, outcome, exposure)
            for key in c.execute(select(table.c.customer_key).where(table.c.customer_key.is_not(None))).scalars()
        }
    )
    assert len(renamed) == 2  # one key of nobody, and Petra's
    entry = server.run(lambda c: c.execute(select(audit_table).where(audit_table.c.action == "erase")).mappings().one())
    assert (entry["object"], entry["actor"]) == (who, f"shop:{server.sites['shop'].id}")
    assert entry["data"] == counts
    # who comes back is somebody new
    fresh = await server.session(identity=server.identity(CUSTOMER, name="Neu"))
    assert "conv" not in fresh
    assert people(server, CUSTOMER) != who


async def test_an_open_chat_closes_with_4410_and_the_task_is_done(server: Whole) -> None:
    session = await server.session(identity=server.identity("no-3", name="Mo"))
    stays = await server.session()
    async with Contact(server.base, session["token"]) as chat, Contact(server.base, stays["token"]) as other:
        conv = (await chat.hello())["conv"]
        await other.hello()
        await chat.message("hello")
        await chat.say({"t": "escalate", "cmid": str(uuid4()), "reason": "asked_for_human"})
        await chat.expect("ev", where=lambda ev: ev["kind"] == "escalated")
        folder = str(server.services.settings.data_dir)
        ran = await asyncio.to_thread(
            CliRunner().invoke,
            cli,
            ["erase", "--contact", "no-3", "--site", "shop", "--yes", "--json", "--data-dir", folder],
        )
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.stdout)["conversations"] == 1
        assert (await chat.closed())[0] == 4410
        assert (await other.message("still here"))["t"] == "ack"
    tasks = metadata.tables["task"]
    assert rows(server, tasks, tasks.c.conversation_id == conv, tasks.c.state != "done") == 0
    assert rows(server, conversation, conversation.c.id == conv, conversation.c.status == "resolved") == 1


async def test_a_turn_that_is_under_way_writes_nothing_more(server: Whole) -> None:
    session = await server.session(identity=server.identity("no-4", name="Ida"))
    async with Contact(server.base, session["token"]) as chat:
        conv = (await chat.hello())["conv"]
        await chat.message("one")
        async with httpx.AsyncClient(base_url=server.base) as http:
            http.headers["Authorization"] = f"Bearer {api_key_of('shop')}"
            assert (await http.post("/api/shop/erase", json={"customer": "no-4"})).status_code == 200
        assert (await chat.closed())[0] == 4410
    await asyncio.sleep(1)
    events = metadata.tables["event"]
    assert rows(server, events, events.c.conversation_id == conv) == 0
    assert server.run(lambda connection: list(check(connection))) == []


async def test_a_dossier_holds_all_of_one_person_and_nothing_of_another(server: Whole) -> None:
    _, conv, login = await live_through(server, CUSTOMER, CANARY)
    await live_through(server, "no-2", "petra")
    async with httpx.AsyncClient(base_url=server.base) as http:
        http.headers["Authorization"] = f"Bearer {api_key_of('shop')}"
        answer = await http.post("/api/shop/dossier", json={"customer": CUSTOMER})
        document = answer.json()
        assert (await http.post("/api/shop/dossier", json={"customer": "no-9"})).status_code == 404
        http.headers["Authorization"] = f"Bearer {api_key_of('other')}"
        assert (await http.post("/api/shop/dossier", json={"customer": CUSTOMER})).status_code == 404
        assert (await http.post("/api/shop/erase", json={"customer": CUSTOMER})).status_code == 404
    assert document["contact"]["email"] == f"{CANARY}@mail.example"
    (talk,) = document["conversations"]
    assert talk["id"] == conv
    assert [message["body"] for message in talk["messages"] if message["sender"] == "contact" and message["body"]] == [
        f"Hello, {sentence(CANARY)}",
        f"Really, {CANARY}!",
    ]
    assert [entry["body"] for entry in talk["notes"]] == [f"{CANARY} is upset"]
    assert len(talk["scores"]) == len(talk["decisions"]) == 2
    assert len(document["orders"]) == len(document["returns"]) == len(document["exposures"]) == 1
    assert {entry["type"] for entry in document["outcomes"]} >= {"csat", "purchase", "disposition", "handoff"}
    assert "petra" not in answer.text
    assert server.agents[login] not in answer.text
    assert rows(server, audit_table, audit_table.c.action == "dossier") == 1


async def test_logging_out_of_the_shop_closes_its_chats(server: Whole) -> None:
    session = await server.session(identity=server.identity("no-5"))
    async with Contact(server.base, session["token"]) as chat, httpx.AsyncClient(base_url=server.base) as http:
        await chat.hello()
        http.headers["Authorization"] = f"Bearer {api_key_of('shop')}"
        assert (await http.post("/api/shop/logout", json={"customer": "no-5"})).json() == {"ended": 1}
        assert (await chat.closed())[0] == 4401


async def test_a_backup_that_is_put_back_brings_nobody_back(tmp_path: Path) -> None:
    with whole_server(tmp_path, burst_pause_ms=0) as server:
        await live_through(server, CUSTOMER, CANARY)
        folder = server.services.settings.data_dir
        with sqlite3.connect(folder / "staywell.db") as live, sqlite3.connect(tmp_path / "backup.db") as backup:
            live.backup(backup)
        backup.close()
        live.close()
        async with httpx.AsyncClient(base_url=server.base) as http:
            http.headers["Authorization"] = f"Bearer {api_key_of('shop')}"
            assert (await http.post("/api/shop/erase", json={"customer": CUSTOMER})).status_code == 200
    for path in folder.glob("staywell.db-*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.db", folder / "staywell.db")
    said = await asyncio.to_thread(CliRunner().invoke, cli, ["doctor", "--json", "--data-dir", str(folder)])
    found = {finding["part"]: finding for finding in json.loads(said.stdout)["findings"]}
    assert (said.exit_code, found["erasures"]["state"]) == (1, "wrong")
    ran = await asyncio.to_thread(CliRunner().invoke, cli, ["erase", "--again", "--json", "--data-dir", str(folder)])
    assert json.loads(ran.stdout) == {"contacts": 1}
    assert CANARY.encode() not in (folder / "staywell.db").read_bytes()
    assert CANARY not in (folder / "erased.jsonl").read_text()
    said = await asyncio.to_thread(CliRunner().invoke, cli, ["doctor", "--json", "--data-dir", str(folder)])
    assert said.exit_code == 0, said.stdout


async def test_what_is_old_is_forgotten_and_who_said_it_is_not(server: Whole) -> None:
    _, conv, _ = await live_through(server, CUSTOMER, CANARY)
    _, young, _ = await live_through(server, "no-2", "petra")
    ago = now_ms() - 181 * 86_400_000
    server.write(lambda c: c.execute(conversation.update().where(conversation.c.id == conv).values(updated_at=ago)))
    assert conv in trained(server, build_one=True)
    folder = str(server.services.settings.data_dir)
    arguments = ["erase", "--older-than", "180", "--site", "shop", "--yes", "--json", "--data-dir", folder]
    first, second = [json.loads((await asyncio.to_thread(CliRunner().invoke, cli, arguments)).stdout) for _ in range(2)]
    assert first["conversations"] == first["notes"] == 1
    assert second == {"conversations": 0, "messages": 0, "notes": 0}
    events = metadata.tables["event"]
    assert rows(server, events, events.c.conversation_id == conv) == 0
    assert rows(server, events, events.c.conversation_id == young) > 0
    assert people(server, CUSTOMER)
    assert conv not in trained(server)
    assert young in trained(server)
    assert server.run(lambda connection: list(check(connection))) == []


async def test_an_address_that_several_people_gave_is_not_enough(server: Whole) -> None:
    for _ in range(2):
        token = (await server.session())["token"]
        async with httpx.AsyncClient(base_url=server.base, headers={"Authorization": f"Bearer {token}"}) as http:
            assert (await http.post("/api/widget/details", json={"email": "same@mail.example"})).status_code == 200
    folder = str(server.services.settings.data_dir)
    common = ["--site", "shop", "--data-dir", folder]
    ran = await asyncio.to_thread(
        CliRunner().invoke, cli, ["erase", "--contact", "same@mail.example", "--yes", *common]
    )
    assert ran.exit_code == 1
    assert "say which" in ran.output
    ids = server.run(
        lambda c: c.execute(select(contact.c.id).where(contact.c.email == "same@mail.example")).scalars().all()
    )
    ran = await asyncio.to_thread(CliRunner().invoke, cli, ["export", "--contact", ids[0], *common])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["contact"]["id"] == ids[0]
    for wrong in (["erase"], ["erase", "--again", "--older-than", "3"]):
        assert (await asyncio.to_thread(CliRunner().invoke, cli, [*wrong, *common])).exit_code == 2
    said_no = await asyncio.to_thread(CliRunner().invoke, cli, ["erase", "--contact", ids[0], *common], input="n\n")
    assert said_no.exit_code == 1
    assert rows(server, contact, contact.c.id == ids[0], contact.c.email.is_not(None)) == 1


async def test_what_leaves_the_house_is_redacted_and_noted(server: Whole, tmp_path: Path) -> None:
    await live_through(server, CUSTOMER, "Anna (anna@example.com)")
    common = ["--site", "shop", "--data-dir", str(server.services.settings.data_dir)]

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, ["export", *arguments, *common])

    redacted, plain = tmp_path / "redacted.jsonl", tmp_path / "plain.jsonl"
    assert (await run("conversations", "--out", str(redacted))).exit_code == 0
    assert (await run("conversations", "--out", str(plain), "--unredacted")).exit_code == 0
    assert "anna@example.com" not in redacted.read_text()
    assert sentence("Anna ([email])") in redacted.read_text()
    assert sentence("Anna (anna@example.com)") in plain.read_text()
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    assert CUSTOMER not in plain.read_text()  # a keyed hash stands for the customer
    noted = server.run(
        lambda c: c.execute(select(audit_table.c.data).where(audit_table.c.action == "export")).scalars().all()
    )
    assert noted == [
        {"what": "conversations", "site": "shop", "rows": 1},
        {"what": "conversations", "site": "shop", "rows": 1, "unredacted": True},
    ]
    for wrong in (["conversations", "--format", "csv"], ["both", "--unredacted"], ["everything"]):
        assert (await run(*wrong)).exit_code == 2


async def test_the_same_on_postgresql(tmp_path: Path, postgres: Cluster) -> None:
    with whole_server(tmp_path, database_url=postgres.migrated(), burst_pause_ms=0) as server:
        _, conv, _ = await live_through(server, CUSTOMER, CANARY)
        async with httpx.AsyncClient(base_url=server.base) as http:
            http.headers["Authorization"] = f"Bearer {api_key_of('shop')}"
            answer = await http.post("/api/shop/erase", json={"customer": CUSTOMER})
            assert answer.status_code == 200, answer.text
        assert CANARY not in everything(server)
        assert rows(server, decision, decision.c.conversation_id == conv) == 2
        assert server.run(lambda connection: list(check(connection))) == []
