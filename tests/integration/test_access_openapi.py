"""Whatever is sent to a documented route, the answer is never a bug: generated requests over the OpenAPI, by every kind of caller.

`pytest -m long` makes 500 requests a route and caller; the short form a few, within a minute. `-k`
with a caller's name runs that one alone.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests.tools.whole_server import PASSWORD, Whole, api_key_of, whole_server

CALLERS = ("nobody", "contact", "agent", "supervisor", "shop")
LOGINS = {"agent": "mara", "supervisor": "boss"}
SAFE = "/api/logout"  # ends the log-in that the other requests need


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assistant.identity.agents._hasher", PasswordHasher(1, 1024, 1))
        with whole_server(tmp_path_factory.mktemp("openapi")) as whole:
            whole.hire(LOGINS["agent"], "agent")
            whole.hire(LOGINS["supervisor"], "supervisor")
            yield whole


def headers_of(server: Whole, caller: str) -> dict[str, str]:
    """What a caller sends along with each request."""
    if caller == "contact":
        session = asyncio.run(server.session(identity=server.identity("c-1")))
        return {"Authorization": f"Bearer {session['token']}"}
    if caller == "shop":
        return {"Authorization": f"Bearer {api_key_of('shop')}"}
    if caller in LOGINS:
        with httpx.Client(base_url=server.base) as http:
            answer = http.post("/api/login", json={"login": LOGINS[caller], "password": PASSWORD})
            return {"X-CSRF": answer.json()["csrf"], "Cookie": f"staywell={http.cookies['staywell']}"}
    return {}


def bombard(server: Whole, caller: str, examples: int) -> Counter[int]:
    """Sends `examples` good and as many bad generated requests to each route; how many answers of each status there were."""
    schema = schemathesis.openapi.from_url(f"{server.base}/openapi.json")
    headers = headers_of(server, caller)
    found: Counter[int] = Counter()
    with httpx.Client(base_url=server.base, timeout=20) as http:
        for offered in schema.get_all_operations():
            operation = offered.ok()
            if operation.path == SAFE and caller in LOGINS:
                continue
            for mode in GenerationMode if takes_anything(operation) else [GenerationMode.POSITIVE]:
                bombard_route(http, operation, mode, headers, examples, found)
    return found


def takes_anything(operation: Any) -> bool:
    """Whether a call has a parameter or a body; otherwise nothing about it can be got wrong. Any text is a good header."""
    places = (operation.path_parameters, operation.query, operation.cookies, operation.body)
    return any(len(list(place)) for place in places)


def bombard_route(
    http: httpx.Client, operation: Any, mode: Any, headers: dict[str, str], examples: int, found: Counter[int]
) -> None:
    """`examples` requests to one route; each answer is one of ours and no bug."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        said = case.as_transport_kwargs(base_url=str(http.base_url))
        own = {str(name): str(value) for name, value in (said.get("headers") or {}).items()}
        data = said.get("data")
        try:
            request = http.build_request(
                said["method"],
                said["url"],
                params=said.get("params"),
                json=said.get("json"),
                content=data if isinstance(data, str | bytes) else None,
                headers={**own, **headers},
            )
        except (UnicodeEncodeError, httpx.InvalidURL):
            return  # no client could send this
        answer = http.send(request)
        found[answer.status_code] += 1
        where = f"{operation.label} {mode}: {said}"
        assert answer.status_code < 500, (where, answer.text)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"code", "message", "retryable"}, (where, answer.text)

    send()


@pytest.mark.parametrize("caller", CALLERS)
def test_no_request_is_answered_with_a_bug(server: Whole, caller: str) -> None:
    found = bombard(server, caller, 6)
    print(caller, dict(found))
    assert sum(found.values()) > 200


def test_text_that_a_database_does_not_take_is_refused(server: Whole) -> None:
    """U+0000 has no place in a text of PostgreSQL or a search of SQLite; numbers end where both databases' do."""
    supervisor, shop, nul = headers_of(server, "supervisor"), headers_of(server, "shop"), "a\0b"
    conv = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    lists = ("/api/review/conversations", "/api/review/export.csv")
    queries = [("/api/desk/search", {"q": nul}), *((where, {"since": 10**30}) for where in lists)]
    cursors = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode() for one in ([2**64 - 1, conv], [1, nul])]
    texts = ("q", "reason", "action", "agent", "locale", "disposition", "contact", "outcome")
    queries += [(where, {name: nul}) for where in lists for name in texts]
    bodies = [
        ("/api/login", {"login": nul, "password": "p"}, {}),
        (f"/api/review/conversations/{conv}/reviews", {"verdict": "right", "comment": nul}, supervisor),
        (f"/api/review/conversations/{conv}/notes", {"cmid": str(uuid4()), "body": nul}, supervisor),
        ("/api/shop/outcomes", {"outcomes": [{"key": nul, "type": "refund", "customer": "c", "ts_event": 1}]}, shop),
        ("/api/shop/outcomes", {"outcomes": [{"key": "k", "type": "refund", "customer": nul, "ts_event": 1}]}, shop),
    ]
    with httpx.Client(base_url=server.base) as http:
        for cursor in cursors:
            answer = http.get(lists[0], params={"cursor": cursor}, headers=supervisor)
            assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor"), answer.text
        for where, query in queries:
            answer = http.get(where, params=query, headers=supervisor)
            assert (answer.status_code, answer.json()["code"]) == (422, "bad_input"), (where, query, answer.text)
        for where, body, headers in bodies:
            answer = http.post(where, json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "bad_input"), (where, body, answer.text)
            assert "U+0000" in answer.json()["message"], answer.text


@pytest.mark.long
@pytest.mark.parametrize("caller", CALLERS)
def test_no_request_of_many_is_answered_with_a_bug(server: Whole, caller: str) -> None:
    found = bombard(server, caller, 250)
    print(caller, dict(found))
    assert sum(found.values()) > 5_000
