"""The widget's HTTP calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import func, insert, select

from assistant.conversations import store
from assistant.conversations.store import NewEvent
from assistant.ids import new_id
from assistant.storage.tables import agent, conversation, decision, event, outcome, task, wallet_entry
from tests.tools.chat_server import IDENTITY_SECRET, ChatServer, serve_chat

pytestmark = pytest.mark.integration


@pytest.fixture(name="chat_server")
async def _chat_server_on_each_database(database_url: str, tmp_path: Path) -> AsyncIterator[ChatServer]:
    async with serve_chat(tmp_path, database_url=database_url) as server:
        yield server


# What is refused before the database is asked need not be tried on both.
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def http(chat_server: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=chat_server.base) as client:
        yield client


class Talk:
    """A conversation with one message in it, and its contact's token."""

    def __init__(self, server: Any, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http

    async def begin(self) -> Talk:
        async with await self.server.contact() as contact:
            self.token = contact.token
            self.conv = (await contact.hello())["conv"]
            await contact.message("hello")
        return self

    async def post(self, call: str, **body: Any) -> httpx.Response:
        return await self.http.post(
            f"/api/widget/{call}", json={"conv": self.conv, **body}, headers={"Authorization": f"Bearer {self.token}"}
        )

    async def history(self, **query: Any) -> httpx.Response:
        return await self.http.get(
            "/api/widget/history",
            params={"conv": self.conv, **query},
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def rows(self, query: Any) -> list[Any]:
        return list(self.server.chat.storage.read_sync(lambda connection: connection.execute(query).all()))

    async def write(self, work: Any) -> Any:
        return await self.server.chat.storage.write(work)

    async def show(self, kind: str, card: dict[str, Any], **values: Any) -> str:
        """A decision with the card that it showed, as a turn would log it; returns the decision's id."""
        decision_id, seq = new_id(), values.pop("seq", 1)

        def work(connection: Any) -> None:
            row = store.get(connection, self.conv, site_id=self.server.chat.site.id)
            connection.execute(
                insert(decision).values(
                    id=decision_id,
                    site_id=row["site_id"],
                    conversation_id=self.conv,
                    seq=seq,
                    customer_key="key",
                    ts_decision=1,
                    channel="web",
                    locale="en",
                    as_of=1,
                    action=f"{kind}:x",
                    kind=kind,
                    propensity=1.0,
                    floor=0.02,
                    seed="s",
                    latency_ms=1.0,
                    **values,
                )
            )
            data = {
                "offer": {"offer": {**card, "decision": decision_id}},
                "recommend": {"products": [card]},
            }[kind]
            name = {"offer": "offer", "recommend": "products"}[kind]
            store.append(connection, self.conv, NewEvent("bot", name, "text", data, reply_to=seq), now=2)

        await self.write(work)
        return decision_id


@pytest.fixture
async def talk(chat_server: Any, http: httpx.AsyncClient) -> Talk:
    return await Talk(chat_server, http).begin()


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# --- session --------------------------------------------------------------------------------------------------------


async def test_a_session_says_who_and_where(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/api/widget/session", json={"site": "shop", "locale": "zh-CN"})).json()
    assert answer["contact"] == {"name": None, "verified": False}
    assert answer["site"] == {"name": "Shop", "locale": "en", "currency": "EUR"}
    assert answer["expires_at"] > 0
    assert "conv" not in answer
    again = (await http.post("/api/widget/session", json={"site": "shop", "resume": answer["resume"]})).json()
    assert again["resume"] == answer["resume"]
    assert again["token"] != answer["token"]


async def test_a_session_names_the_open_conversation(http: httpx.AsyncClient, chat_server: Any) -> None:
    session = (await http.post("/api/widget/session", json={"site": "shop"})).json()
    async with await chat_server.contact(session["token"]) as contact:
        ready = await contact.hello()
        await contact.message("hello")
    again = (await http.post("/api/widget/session", json={"site": "shop", "resume": session["resume"]})).json()
    assert again["conv"] == {"id": ready["conv"], "epoch": ready["epoch"], "head": 1, "status": "open"}


async def test_a_signed_customer_is_known_and_a_forged_one_is_not(http: httpx.AsyncClient, chat_server: Any) -> None:
    now = chat_server.chat.deps.clock() // 1000
    claims = {"sub": "c-1", "aud": "shop", "exp": now + 60, "name": "Lena"}
    good = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(IDENTITY_SECRET))
    answer = (await http.post("/api/widget/session", json={"site": "shop", "identity": good})).json()
    assert answer["contact"] == {"name": "Lena", "verified": True}
    assert answer["resume"] is None
    for forged in (good[:-3] + "abc", "a.b.c", "x" * 4096):
        refused = await http.post("/api/widget/session", json={"site": "shop", "identity": forged})
        assert problem(refused) == (401, "identity")
        assert refused.json()["message"] == "the identity was not accepted"


@ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"site": "nope"}, (404, "unknown_site")),
        ({}, (422, "bad_input")),
        ({"site": ""}, (422, "bad_input")),
        ({"site": "a\0b"}, (422, "bad_input")),
        ({"site": ["shop"]}, (422, "bad_input")),
        ({"site": "shop", "role": "admin"}, (422, "bad_input")),
        ({"site": "shop", "locale": "../etc"}, (422, "bad_input")),
        ({"site": "shop", "locale": "zho-abcdefgh-abcdefgh"}, (422, "bad_input")),
        ({"site": "shop", "resume": "x" * 101}, (422, "bad_input")),
        ([], (422, "bad_input")),
    ],
)
async def test_bad_session_requests(http: httpx.AsyncClient, body: Any, expected: tuple[int, str]) -> None:
    assert problem(await http.post("/api/widget/session", json=body)) == expected


@ONE_DATABASE
@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 30_000, b'{"site":"\\ud800"}', b"\xff", b'{"site":NaN}'])
async def test_what_is_no_json_is_no_bug(http: httpx.AsyncClient, raw: bytes) -> None:
    answer = await http.post("/api/widget/session", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}


async def test_foreign_pages_get_no_session(http: httpx.AsyncClient) -> None:
    for origin, status in (("https://evil.example", 403), ("null", 403), ("https://shop.example", 200)):
        answer = await http.post("/api/widget/session", json={"site": "shop"}, headers={"Origin": origin})
        assert answer.status_code == status


# --- access ---------------------------------------------------------------------------------------------------------

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("csat", {"score": 5}),
    ("offer", {"decision": "0" * 26, "offer": "ten", "accepted": True}),
    ("resolve", {}),
    ("click", {"product": "p1"}),
]


@ONE_DATABASE
@pytest.mark.parametrize(("call", "body"), CALLS)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic eDp5", "Bearer \u00e9".encode()])
async def test_every_call_needs_a_token(
    talk: Talk, http: httpx.AsyncClient, call: str, body: dict[str, Any], authorization: str | bytes | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await http.post(f"/api/widget/{call}", json={"conv": talk.conv, **body}, headers=headers)
    assert problem(answer) == (401, "token")
    assert problem(await http.get("/api/widget/history", params={"conv": talk.conv}, headers=headers)) == (401, "token")


@pytest.mark.parametrize(("call", "body"), CALLS)
async def test_foreign_and_absent_conversations_are_the_same(
    talk: Talk, chat_server: Any, http: httpx.AsyncClient, call: str, body: dict[str, Any]
) -> None:
    stranger = await Talk(chat_server, http).begin()
    before = talk.rows(select(event).where(event.c.conversation_id == talk.conv))
    answers = set()
    for conv in (talk.conv, "01J9ZQ4X7R8T2V3W5Y6Z7A8B9C"):
        stranger.conv = conv
        posted, read = await stranger.post(call, **body), await stranger.history()
        answers |= {(posted.status_code, posted.text), (read.status_code, read.text)}
    assert len(answers) == 1
    assert problem(posted) == (403, "forbidden")
    assert talk.rows(select(event).where(event.c.conversation_id == talk.conv)) == before


# --- history --------------------------------------------------------------------------------------------------------


async def test_history_comes_newest_page_first_and_each_page_ascending(talk: Talk) -> None:
    async with await talk.server.contact(talk.token) as contact:
        await contact.hello()
        for n in range(2, 8):
            await contact.message(f"message {n}")
    page = (await talk.history(limit=3)).json()
    assert [event["seq"] for event in page["events"]] == [5, 6, 7]
    assert page["more"]
    assert page["conv"] == talk.conv
    page = (await talk.history(limit=3, before=5)).json()
    assert [event["seq"] for event in page["events"]] == [2, 3, 4]
    page = (await talk.history(limit=3, before=2)).json()
    assert [event["seq"] for event in page["events"]] == [1]
    assert not page["more"]
    assert page["events"][0]["from"] == "contact"
    for bad in ({"limit": 0}, {"limit": 201}, {"before": 0}, {"before": "x"}, {"before": 2**63}, {"conv": "x"}):
        assert (await talk.history(**bad)).status_code == 422


async def test_what_is_internal_is_not_shown_to_the_contact(talk: Talk) -> None:
    site_id = talk.server.chat.site.id
    ana = new_id()

    def work(connection: Any) -> None:
        connection.execute(
            insert(agent).values(
                id=ana, site_id=site_id, login="ana", name="Ana", password_hash="x", role="agent", created_at=1
            )
        )
        store.append(connection, talk.conv, NewEvent(f"agent:{ana}", "message", "Hi", cmid="secret"), now=1)
        data = {"by": "agent", "disposition": "lost"}
        store.append(connection, talk.conv, NewEvent("system", "resolved", data=data), now=1)

    await talk.write(work)
    mine, theirs, end = (await talk.history()).json()["events"]
    assert "cmid" in mine
    assert (theirs["from"], theirs["name"], theirs["body"]) == ("agent", "Ana", "Hi")
    assert "cmid" not in theirs
    assert end["data"] == {"by": "agent"}
    assert ana not in (await talk.history()).text


# --- rating ---------------------------------------------------------------------------------------------------------


async def test_a_rating_lands_in_both_logs_once_and_may_be_corrected(talk: Talk) -> None:
    first = await talk.post("csat", score=2, comment="slow")
    again = await talk.post("csat", score=2, comment="slow")
    assert first.json() == again.json() == {"seq": 2}
    assert (await talk.post("csat", score=5)).json() == {"seq": 3}
    assert talk.rows(select(conversation.c.csat)) == [(5,)]
    outcomes = talk.rows(select(outcome.c.type, outcome.c.value, outcome.c.supersedes).order_by(outcome.c.id))
    assert [(row.type, row.value) for row in outcomes] == [("csat", 2.0), ("csat", 5.0)]
    assert outcomes[0].supersedes is None
    assert outcomes[1].supersedes == talk.rows(select(outcome.c.id).order_by(outcome.c.id))[0].id


@ONE_DATABASE
@pytest.mark.parametrize("score", [0, 6, "5", 4.5, True, None])
async def test_ratings_go_from_one_to_five(talk: Talk, score: Any) -> None:
    assert problem(await talk.post("csat", score=score)) == (422, "bad_input")


# --- offers ---------------------------------------------------------------------------------------------------------

TEN = {"id": "ten", "kind": "coupon", "amount": 500, "currency": "EUR", "valid_until": 2**50, "title": "10 %"}


async def test_an_offer_is_answered_once_in_all_three_books(talk: Talk) -> None:
    made = await talk.show("offer", TEN)
    for _ in range(2):
        answer = await talk.post("offer", decision=made, offer="ten", accepted=True)
        assert answer.json() == {"seq": 3}
    assert problem(await talk.post("offer", decision=made, offer="ten", accepted=False)) == (409, "answered")
    assert talk.rows(select(wallet_entry.c.state, wallet_entry.c.amount)) == [("accepted", 500)]
    kinds = talk.rows(select(outcome.c.type, outcome.c.value, outcome.c.currency, outcome.c.decision_id))
    assert kinds == [("accept", 500.0, "EUR", made)]
    (row,) = talk.rows(select(event.c.sender, event.c.data).where(event.c.kind == "offer_answer"))
    assert row == ("contact", {"decision": made, "offer": "ten", "accepted": True})


async def test_an_offer_may_be_declined(talk: Talk) -> None:
    made = await talk.show("offer", TEN)
    assert (await talk.post("offer", decision=made, offer="ten", accepted=False)).status_code == 200
    assert talk.rows(select(wallet_entry.c.state)) == [("declined",)]
    assert talk.rows(select(outcome.c.type)) == [("decline",)]


async def test_only_what_was_shown_here_can_be_taken(talk: Talk, chat_server: Any, http: httpx.AsyncClient) -> None:
    made = await talk.show("offer", TEN)
    other = await Talk(chat_server, http).begin()
    assert problem(await other.post("offer", decision=made, offer="ten", accepted=True)) == (404, "unknown_offer")
    for decision_id, offer in ((made, "ninety"), ("0" * 26, "ten")):
        answer = await talk.post("offer", decision=decision_id, offer=offer, accepted=True)
        assert problem(answer) == (404, "unknown_offer")
    assert talk.rows(select(func.count()).select_from(wallet_entry)) == [(0,)]


async def test_an_offer_that_is_over_cannot_be_accepted_but_declined(talk: Talk) -> None:
    made = await talk.show("offer", {**TEN, "valid_until": 5})
    assert problem(await talk.post("offer", decision=made, offer="ten", accepted=True)) == (409, "expired")
    assert (await talk.post("offer", decision=made, offer="ten", accepted=False)).status_code == 200


# --- clicks ---------------------------------------------------------------------------------------------------------


async def test_a_click_is_an_outcome_of_the_decision_behind_it(talk: Talk) -> None:
    made = await talk.show("recommend", {"id": "p1", "title": "Mug"})
    for decision_id in (None, made, None):
        body = {"product": "p1"} | ({"decision": decision_id} if decision_id else {})
        assert (await talk.post("click", **body)).json() == {}
    rows = talk.rows(select(outcome.c.type, outcome.c.decision_id, outcome.c.label))
    assert rows == [("click", made, {"product": "p1"})]
    assert problem(await talk.post("click", product="p2")) == (404, "unknown_product")
    assert problem(await talk.post("click", product="p1", decision="0" * 26)) == (404, "unknown_product")


async def test_long_product_numbers_are_told_apart(talk: Talk) -> None:
    for last in "ab":
        await talk.show("recommend", {"id": "x" * 99 + last}, seq=int(last, 16))
        assert (await talk.post("click", product="x" * 99 + last)).json() == {}
    assert len(talk.rows(select(outcome.c.id))) == 2


# --- the end --------------------------------------------------------------------------------------------------------


async def test_the_contact_ends_the_conversation_and_its_waiting_task(talk: Talk) -> None:
    async with await talk.server.contact(talk.token) as contact:
        await contact.hello()
        await contact.say({"t": "escalate", "cmid": "1b4e28ba-2fa1-4d2f-883f-0016d3cca427"})
        await contact.events(2)
        assert (await talk.post("resolve")).json() == {"seq": 3}
        assert (await talk.post("resolve")).json() == {"seq": 3}
        assert (await contact.events(3))[-1]["kind"] == "resolved"
        nack = await contact.message("wait")
        assert nack["code"] == "closed"
    assert talk.rows(select(conversation.c.status)) == [("resolved",)]
    assert talk.rows(select(task.c.state)) == [("done",)]
    assert talk.rows(select(outcome.c.type)) == [("resolved",)]
    assert (await talk.post("csat", score=4)).json() == {"seq": 4}  # rating comes after the end


async def test_an_address_may_open_so_many_sessions_a_minute(chat_server: Any) -> None:
    """Loopback is not counted; here the client is somebody else, as a proxy on this machine would name it."""
    transport = httpx.ASGITransport(chat_server.chat.app, client=("203.0.113.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url=chat_server.base) as http:
        opened = 0
        while (answer := await http.post("/api/widget/session", json={"site": "shop"})).status_code == 200:
            opened += 1
        assert 120 <= opened <= 300  # some are given back while we ask
        assert problem(answer) == (429, "rate")
        assert int(answer.headers["Retry-After"]) >= 1
    other = httpx.ASGITransport(chat_server.chat.app, client=("203.0.113.8", 1234))
    async with httpx.AsyncClient(transport=other, base_url=chat_server.base) as http:
        assert (await http.post("/api/widget/session", json={"site": "shop"})).status_code == 200
