"""Supervisors' calls over a real server: transcripts, verdicts, CSV, and the trail that they leave."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from assistant.identity import audit
from assistant.ids import new_id
from assistant.storage.tables import audit as trail
from assistant.storage.tables import contact, decision, outcome, review

pytestmark = pytest.mark.integration


def decide(server: Any, conv: str, seq: int = 1) -> str:
    decision_id = new_id()
    server.storage.write_sync(
        lambda connection: connection.execute(
            insert(decision).values(
                id=decision_id,
                site_id=server.site_id,
                conversation_id=conv,
                seq=seq,
                customer_key="k",
                ts_decision=server.clock(),
                channel="web",
                locale="en",
                as_of=server.clock(),
                action="reply:replace@en",
                kind="reply",
                eligible=["reply:replace@en", "escalate"],
                probabilities=[0.8, 0.2],
                propensity=0.8,
                floor=0.02,
                seed="s",
                latency_ms=1.0,
            )
        )
    )
    return decision_id


async def test_a_transcript_with_its_decisions_and_a_verdict_that_is_logged(desk_server: Any) -> None:
    boss = desk_server.hire("boss", "supervisor")
    conv = desk_server.talk("我的水壶漏水", "still leaking")
    made = decide(desk_server, conv)
    async with desk_server.browser("boss") as browser:
        listed = (await browser.get("/api/review/conversations", q="水壶", sort="uncertain")).json()
        assert [line["id"] for line in listed["conversations"]] == [conv]
        assert (listed["total"], listed["next"], listed["conversations"][0]["action_last"]) == (
            1,
            None,
            "reply:replace@en",
        )

        found = (await browser.get(f"/api/review/conversations/{conv}")).json()
        assert [event["body"] for event in found["events"]] == ["我的水壶漏水", "still leaking"]
        assert (found["decisions"][0]["id"], found["decisions"][0]["probabilities"]) == (made, [0.8, 0.2])
        assert (found["outcomes"], found["reviews"]) == ([], [])

        body = {
            "decision": made,
            "verdict": "wrong_action",
            "label": {"will_leave": True, "reasons": ["quality"], "action": "escalate"},
            "comment": "=too late",
        }
        answer = await browser.post(f"/api/review/conversations/{conv}/reviews", json=body)
        assert answer.status_code == 200
        found = (await browser.get(f"/api/review/conversations/{conv}")).json()
        assert found["reviews"][0] | {"at": 0} == {
            "id": answer.json()["id"],
            "decision": made,
            "by": "Boss",
            "verdict": "wrong_action",
            "label": body["label"],
            "comment": "=too late",
            "at": 0,
        }
        assert found["outcomes"][0]["label"] == {"verdict": "wrong_action", "by": boss, **body["label"]}

    logged = desk_server.run(lambda c: c.execute(select(outcome)).mappings().all())
    assert [(row["type"], row["source"], row["decision_id"], row["customer_key"]) for row in logged] == [
        ("review", "supervisor", made, "k")
    ]
    actions = desk_server.run(lambda c: c.execute(select(trail.c.action).order_by(trail.c.id)).scalars().all())
    assert list(actions) == ["login_attempt", "login", "transcript_read", "override", "transcript_read"]
    assert desk_server.run(audit.verify) is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"verdict": "meh"}, 422, "bad_input"),
        ({"verdict": "right", "extra": 1}, 422, "bad_input"),
        ({"verdict": "right", "label": {"reasons": ["weather"]}}, 422, "bad_input"),
        ({"verdict": "right", "comment": "x" * 2001}, 422, "bad_input"),
        ({"verdict": "right", "decision": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 422, "unknown_decision"),
        ({"verdict": "right", "decision": "x"}, 422, "bad_input"),
    ],
)
async def test_a_bad_verdict_is_refused_and_nothing_stored(
    desk_server: Any, body: dict[str, Any], status: int, code: str
) -> None:
    desk_server.hire("boss", "supervisor")
    conv = desk_server.talk("x")
    async with desk_server.browser("boss") as browser:
        answer = await browser.post(f"/api/review/conversations/{conv}/reviews", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert desk_server.run(lambda c: c.execute(select(review.c.id)).all()) == []


async def test_the_export_is_the_list_made_safe(desk_server: Any) -> None:
    desk_server.hire("boss", "admin")
    conv = desk_server.talk('=HYPERLINK("http://evil.example","win")', name="@SUM(A1:A9)")
    desk_server.talk("other words")
    async with desk_server.browser("boss") as browser:
        answer = await browser.get("/api/review/export.csv", q="win")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="conversations.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["id"] for row in rows] == [conv]
    assert rows[0]["name"] == "'@SUM(A1:A9)"
    assert rows[0]["preview"].startswith("'=HYPERLINK")
    exported = desk_server.run(
        lambda c: c.execute(select(trail.c.data).where(trail.c.action == "export")).scalars().one()
    )
    assert exported == {"conversations": 1}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "sort=best", "band=extreme", "cursor=%00", "q=" + "x" * 300, "since=-1"],
)
async def test_bad_questions_get_422(desk_server: Any, query: str) -> None:
    desk_server.hire("boss", "supervisor")
    async with desk_server.browser("boss") as browser:
        answer = await browser.http.get(f"/api/review/conversations?{query}")
    assert answer.status_code == 422
    assert set(answer.json()) == {"code", "message", "retryable"}


# --- who may do what ------------------------------------------------------------------------------------------------

# One table: what each role gets from each call, about an object of the own shop and of another one.
# Columns: nobody, agent, supervisor, admin. A pair is (own, foreign).
EVERYBODY = (401, 200, 200, 200)
SUPERVISORS = (401, 403, 200, 200)
NO_VIEW = "01HZX0000000000000000000ZZ"
ACCESS: list[tuple[str, str, tuple[int, int, int, int], bool]] = [
    ("GET", "/api/me", EVERYBODY, False),
    ("POST", "/api/desk/ticket", EVERYBODY, False),
    ("GET", "/api/desk/conversations/{conv}", EVERYBODY, True),
    ("GET", "/api/desk/history?contact={contact}", EVERYBODY, True),
    ("GET", "/api/review/summary", SUPERVISORS, False),
    ("GET", "/api/review/conversations", SUPERVISORS, False),
    ("GET", "/api/review/agents", SUPERVISORS, False),
    ("GET", "/api/review/export.csv", SUPERVISORS, False),
    ("GET", "/api/review/conversations/{conv}", SUPERVISORS, True),
    ("POST", "/api/review/conversations/{conv}/reviews", SUPERVISORS, True),
    ("POST", "/api/review/conversations/{conv}/notes", SUPERVISORS, True),
    ("POST", "/api/review/conversations/{conv}/takeover", (401, 403, 200, 200), True),
    ("GET", "/api/review/reports/volume", SUPERVISORS, False),
    ("GET", "/api/review/reports/agents/export.csv", SUPERVISORS, False),
    ("GET", "/api/review/audit", SUPERVISORS, False),
    ("GET", "/api/review/views", SUPERVISORS, False),
    ("POST", "/api/review/views", SUPERVISORS, False),
    ("POST", f"/api/review/views/{NO_VIEW}", (401, 403, 404, 404), False),
    ("DELETE", f"/api/review/views/{NO_VIEW}", (401, 403, 404, 404), False),
    ("GET", "/api/review/scorecard", SUPERVISORS, False),
    ("POST", "/api/review/scorecard", SUPERVISORS, False),
    ("POST", "/api/review/conversations/{conv}/scorecards", SUPERVISORS, True),
]
ROLES = ("agent", "supervisor", "admin")


def body_of(method: str, path: str) -> dict[str, Any] | None:
    """What a call is sent with; a view has a new name each time."""
    last = path.rsplit("/", 1)[1]
    if method == "POST" and last == "views":
        return {"name": str(uuid4()), "filters": {"band": "high"}}
    return {
        "reviews": {"verdict": "right"},
        "notes": {"cmid": str(uuid4()), "body": "well done"},
        "scorecard": {"criteria": []},
        "scorecards": {"points": {"tone": 2}},
        NO_VIEW: {"shared": True},
    }.get(last)


async def test_every_role_and_call_and_owner_is_as_declared(desk_server: Any) -> None:
    canary = f"canary-{uuid4()}"
    other_site = desk_server.add_site("other")
    own, foreign = (
        desk_server.talk("hello"),
        desk_server.talk(canary, site_id=other_site, name=canary, email=f"{canary}@x"),
    )
    people = dict(
        desk_server.run(lambda c: [tuple(row) for row in c.execute(select(contact.c.site_id, contact.c.id)).all()])
    )
    objects = {
        "own": {"conv": own, "contact": people[desk_server.site_id]},
        "foreign": {"conv": foreign, "contact": people[other_site]},
    }
    answers: dict[tuple[str, str, str], int] = {}
    texts: list[str] = []

    async def ask(role: str, request: Any, csrf: str) -> None:
        for method, path, _, _ in ACCESS:
            for owner, ids in objects.items():
                answer = await request(method, path.format(**ids), headers={"X-CSRF": csrf}, json=body_of(method, path))
                answers[role, f"{method} {path}", owner] = answer.status_code
                texts.append(answer.text)

    for role in ROLES:
        desk_server.hire(role, role)
        async with desk_server.browser(role) as browser:
            await ask(role, browser.http.request, browser.csrf)
            browser.http.cookies.clear()
            await ask("nobody", browser.http.request, "")

    for method, path, allowed, has_owner in ACCESS:
        call = f"{method} {path}"
        for role, expected in zip(("nobody", *ROLES), allowed, strict=True):
            assert answers[role, call, "own"] == expected, (role, call)
            foreign_answer = 403 if has_owner and expected == 200 else expected
            assert answers[role, call, "foreign"] == foreign_answer, (role, call, "foreign")
    assert canary not in "".join(texts)


async def test_every_call_of_the_desk_and_of_review_stands_in_the_table(desk_server: Any) -> None:
    """A new route must say who may call it."""
    routes = {
        (method, path)
        for path, methods in desk_server.app.openapi()["paths"].items()
        for method in (name.upper() for name in methods)
    }
    declared = {(method, path.split("?")[0]) for method, path, _, _ in ACCESS}
    named = {
        (
            method,
            path.replace("/volume", "/{name}").replace("/agents/export", "/{name}/export").replace(NO_VIEW, "{view}"),
        )
        for method, path in declared
    }
    assert routes - named == {("POST", "/api/login"), ("POST", "/api/logout")}
    assert named <= routes


async def test_whisper_and_barge_in(desk_server: Any) -> None:
    desk_server.hire("anna")
    desk_server.hire("boss", "supervisor")
    async with (
        desk_server.browser("anna") as anna,
        anna.console() as console,
        desk_server.browser("boss") as boss,
    ):
        conv = desk_server.hold("anna", "I'm leaving")
        await console.desk(lambda desk: desk["mine"])
        await console.send(t="watch", conv=conv)
        await console.next("caught")
        note = {"cmid": str(uuid4()), "body": "Offer the courier"}
        answers = [await boss.post(f"/api/review/conversations/{conv}/notes", json=note) for _ in range(2)]
        assert [answer.json()["dup"] for answer in answers] == [False, True]
        heard = await console.next("note")
        assert (heard["agent"], heard["body"]) == ("Boss", "Offer the courier")
        taken = await boss.post(f"/api/review/conversations/{conv}/takeover")
        assert taken.json()["assign_epoch"] == 2
        await console.desk(lambda desk: not desk["mine"] and desk["others"])
        said = {"cmid": str(uuid4()), "body": "But I", "assign_epoch": 1}
        await console.send(t="msg", conv=conv, **said)
        assert (await console.next("refused"))["code"] == "not_holder"
        assert (await boss.post(f"/api/review/conversations/{conv}/takeover")).json()["code"] == "taken"


async def test_a_report_as_json_and_as_csv(desk_server: Any) -> None:
    desk_server.hire("boss", "supervisor")
    desk_server.talk("x")
    async with desk_server.browser("boss") as browser:
        found = (await browser.get("/api/review/reports/volume")).json()
        assert len(found["rows"]) == len(found["drill"]) >= 30
        assert sum(row[1] for row in found["rows"]) == 1
        text = (await browser.get("/api/review/reports/volume/export.csv")).text
        assert len(list(csv.reader(io.StringIO(text)))) == len(found["rows"]) + 1
        assert (await browser.get("/api/review/reports/weather")).status_code == 404
        assert (await browser.http.get("/api/review/reports/volume?since=5&until=4")).status_code == 422
        trail_found = (await browser.get("/api/review/audit")).json()
        assert [entry["action"] for entry in trail_found["entries"]] == ["export", "login", "login_attempt"]
        assert trail_found["intact"] is True
        older = (await browser.get("/api/review/audit", before=trail_found["entries"][1]["id"], limit=1)).json()
        assert [entry["action"] for entry in older["entries"]] == ["login_attempt"]


async def test_unsafe_calls_need_their_token_and_our_page(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser:
        for headers in (
            {},
            {"X-CSRF": "wrong"},
            {"X-CSRF": "é"},
            {"X-CSRF": browser.csrf, "Origin": "http://evil.example"},
        ):
            encoded = {name: value.encode() for name, value in headers.items()}
            answer = await browser.http.post("/api/desk/ticket", headers=encoded)
            assert answer.status_code == 403
        assert (await browser.post("/api/desk/ticket")).status_code == 200
        answer = await browser.http.post(
            "/api/login", json={"login": "anna", "password": "x"}, headers={"Origin": "http://evil.example"}
        )
        assert answer.status_code == 403


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser:
        answer = await browser.http.post("/api/login", json={"login": "anna", "password": "correct horse battery"})
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith("staywell=")
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "path=/" in cookie
        assert answer.json()["agent"]["role"] == "agent"
        assert "password" not in answer.text


@pytest.mark.parametrize(
    "body", [{}, {"login": "anna"}, {"login": 1, "password": "x"}, {"login": "a", "password": "b", "c": 1}, []]
)
async def test_a_malformed_log_in_is_422(desk_server: Any, body: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser:
        answer = await browser.http.post("/api/login", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")


async def test_a_page_that_refreshes_itself_is_one_reading(desk_server: Any) -> None:
    desk_server.hire("boss", "supervisor")
    conv, other = desk_server.talk("hello"), desk_server.talk("hello")

    async def readings(boss: Any) -> int:
        entries = (await boss.get("/api/review/audit")).json()["entries"]
        return sum(entry["action"] == "transcript_read" for entry in entries)

    async with desk_server.browser("boss") as boss:
        path = f"/api/review/conversations/{conv}"
        await boss.get(path, again="true")  # whoever says so without having read it has begun to
        assert await readings(boss) == 1
        for _ in range(3):
            await boss.get(path, again="true")
            desk_server.offset_ms += 10_000
        assert await readings(boss) == 1
        await boss.get(f"/api/review/conversations/{other}", again="true")
        assert await readings(boss) == 2
        desk_server.offset_ms += 61_000
        await boss.get(path, again="true")
        assert await readings(boss) == 3
        await boss.get(path)
        assert await readings(boss) == 4


async def test_saved_views_and_scorecards_over_http(desk_server: Any) -> None:
    desk_server.hire("anna")
    desk_server.hire("boss", "supervisor")
    conv = desk_server.hold("anna", "hello")
    desk_server.say(conv, "Hi", sender=f"agent:{desk_server.agents['anna']}")
    async with desk_server.browser("boss") as boss:
        made = await boss.post("/api/review/views", json={"name": " 退货 ", "filters": {"q": "退货"}, "shared": True})
        view = made.json()["id"]
        taken = await boss.post("/api/review/views", json={"name": "退货", "filters": {}})
        assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
        await boss.post(f"/api/review/views/{view}", json={"name": "Returns"})
        (kept,) = (await boss.get("/api/review/views")).json()["views"]
        assert (kept["name"], kept["filters"], kept["shared"], kept["own"]) == ("Returns", {"q": "退货"}, True, True)
        gone = await boss.http.delete(f"/api/review/views/{view}", headers={"X-CSRF": boss.csrf})
        assert gone.status_code == 200
        assert (await boss.get("/api/review/views")).json()["views"] == []

        criteria = (await boss.get("/api/review/scorecard")).json()
        assert not criteria["own"]
        assert all(one["title"]["en"] and one["title"]["zh"] for one in criteria["criteria"])
        points = {one["id"]: one["most"] for one in criteria["criteria"]}
        card = await boss.post(f"/api/review/conversations/{conv}/scorecards", json={"points": points, "comment": "好"})
        assert card.json()["share"] == 1.0
        transcript = (await boss.get(f"/api/review/conversations/{conv}")).json()
        assert [(one["by"], one["agent"], one["comment"]) for one in transcript["scorecards"]] == [
            ("Boss", "Anna", "好")
        ]
        for bad in (
            {"points": {"tone": 99}},
            {"points": {"tone": "2"}},
            {"points": {}},
            {"points": {"tone": 1}, "x": 1},
        ):
            assert (await boss.post(f"/api/review/conversations/{conv}/scorecards", json=bad)).status_code == 422
        own = {"criteria": [{"id": "speed", "title": {"en": "Quick", "zh": ""}, "most": 4}]}
        assert (await boss.post("/api/review/scorecard", json=own)).json()["own"]
        refused = await boss.post(f"/api/review/conversations/{conv}/scorecards", json={"points": {"tone": 1}})
        assert refused.json()["code"] == "unknown_criterion"
        actions = [entry["action"] for entry in (await boss.get("/api/review/audit")).json()["entries"]]
        assert {"scorecard", "scorecard_changed"} <= set(actions)
