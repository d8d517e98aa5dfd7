"""Agents log in at a provider of their company: a real one over HTTP, with a browser's cookies, good and bad answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import select

from assistant.identity import agents
from assistant.identity.agents import UNUSABLE
from assistant.storage.tables import agent, audit
from tests.tools.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.tools.whole_server import Documents, Whole, free_port, now_ms, whole_server

GROUPS = {"helpdesk": "agent@shop", "leads": "supervisor@shop", "far": "admin@other", "lost": "admin@nowhere"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Documents() as documents:
        yield Provider(documents).start()


@pytest.fixture(scope="module")
def server(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    port = free_port()
    provider.callbacks = (f"http://127.0.0.1:{port}/api/oidc/callback", f"http://localhost:{port}/api/oidc/callback")
    settings: dict[str, Any] = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_groups": GROUPS,
        "oidc_name": "Shop account",
        "password_login": False,
        "private_key_urls": True,
    }
    with whole_server(tmp_path_factory.mktemp("oidc"), port=port, **settings) as whole:
        yield whole


@pytest.fixture(autouse=True)
def _honest(provider: Provider) -> Iterator[None]:
    """Each test begins with a provider that says the truth about Mara."""
    provider.person = {"email": "Mara@Shop.example", "email_verified": True, "name": "Mara", "groups": ["helpdesk"]}
    yield
    provider.claims, provider.sign, provider.deny, provider.answer = {}, None, None, {}


LogIn = Callable[..., Awaitable[tuple[str, httpx.AsyncClient]]]


@pytest.fixture
async def log_in(server: Whole) -> AsyncIterator[LogIn]:
    """Clicks through as a browser would; gives where it ends, and the browser."""
    async with AsyncExitStack() as browsers:

        async def run(to: str = "/console") -> tuple[str, httpx.AsyncClient]:
            http = await browsers.enter_async_context(httpx.AsyncClient(base_url=server.base))
            answer = await http.get("/api/oidc/start", params={"to": to})
            for _ in range(2):
                assert answer.status_code in (302, 303), answer.text
                answer = await http.get(answer.headers["location"])
            return answer.headers["location"], http

        yield run


def row_of(server: Whole, login: str) -> Any:
    query = select(agent).where(agent.c.login == login)
    return server.run(lambda connection: connection.execute(query).mappings().first())


async def test_the_page_is_told_how_one_may_log_in(server: Whole, log_in: LogIn) -> None:
    async with httpx.AsyncClient(base_url=server.base) as http:
        said = (await http.get("/api/login-methods")).json()
        refused = await http.post("/api/login", json={"login": "mara", "password": "x"})
    assert said == {"password": False, "oidc": {"name": "Shop account", "url": "/api/oidc/start"}}
    assert (refused.status_code, refused.json()["code"]) == (403, "password_login_off")


async def test_a_new_colleague_is_added_with_what_their_groups_allow(
    server: Whole, log_in: LogIn, provider: Provider
) -> None:
    provider.person |= {"email": "new@shop.example", "name": "Nora", "groups": ["other", "helpdesk", "lost"]}
    ended, http = await log_in()
    assert ended == "/console"
    me = (await http.get("/api/me")).json()["agent"]
    assert (me["name"], me["role"], me["site"]) == ("Nora", "agent", server.sites["shop"].id)
    cookies = {cookie.name: cookie for cookie in http.cookies.jar}
    assert set(cookies) == {"staywell"}  # the flow's is gone
    assert row_of(server, "new@shop.example")["password_hash"] == UNUSABLE
    provider.person["groups"] = ["helpdesk", "leads"]
    ended, again = await log_in("/supervisor")
    assert ended == "/supervisor"
    assert (await again.get("/api/me")).json()["agent"]["role"] == "supervisor"
    assert (await http.get("/api/me")).status_code == 401  # another role ends what was open
    entries = server.run(
        lambda c: c.execute(select(audit.c.action, audit.c.data).where(audit.c.action == "login")).all()
    )
    assert {tuple(entry.data.items()) for entry in entries} == {(("by", "oidc"),)}


async def test_an_agent_who_is_here_is_known_by_a_verified_address(
    server: Whole, log_in: LogIn, provider: Provider
) -> None:
    known = server.hire("mara@shop.example", "agent")
    _, http = await log_in()
    assert (await http.get("/api/me")).json()["agent"]["id"] == known
    for lie in ({"email_verified": False}, {"email_verified": None}, {"email_verified": 1}, {"email": None}):
        provider.claims = lie
        ended, stranger = await log_in()
        assert ended == "/console?login=email"
        assert (await stranger.get("/api/me")).status_code == 401


async def test_groups_that_lead_nowhere_let_nobody_in(server: Whole, log_in: LogIn, provider: Provider) -> None:
    for groups in ([], ["lost"], None, 5, {"helpdesk": True}, [["helpdesk"]]):
        provider.person |= {"email": "idle@shop.example", "groups": groups}
        assert (await log_in())[0] == "/console?login=no_group"
    assert row_of(server, "idle@shop.example") is None
    server.hire("stays@shop.example")
    provider.person |= {"email": "stays@shop.example", "groups": ["far"]}  # another shop's
    assert (await log_in())[0] == "/console?login=no_group"


async def test_a_disabled_agent_stays_out(server: Whole, log_in: LogIn, provider: Provider) -> None:
    gone = server.hire("gone@shop.example")
    server.write(lambda connection: agents.change_agent(connection, gone, disabled=True, now=now_ms()))
    provider.person["email"] = "gone@shop.example"
    assert (await log_in())[0] == "/console?login=disabled"


def forged(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "1"}, claims, ECKey.generate_key("P-256"))


def secret_signed(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256", "kid": "1"}, claims, OctKey.import_key(CLIENT_SECRET * 3))


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"sub": None},
    ],
)
async def test_an_id_token_that_says_something_wrong(
    server: Whole, log_in: LogIn, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert (await log_in())[0] == "/console?login=id_token"


@pytest.mark.parametrize("sign", [forged, secret_signed, lambda _: "nonsense", lambda _: 5, lambda _: None])
async def test_an_id_token_that_is_not_the_providers(
    server: Whole, log_in: LogIn, provider: Provider, sign: Any
) -> None:
    provider.sign = sign
    assert (await log_in())[0] == "/console?login=id_token"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"state": "another"}, "state"),
        ({"state": ""}, "state"),
        ({"iss": "https://evil.example"}, "state"),
        ({"code": ""}, "denied"),
        ({"code": "guessed"}, "code"),
    ],
)
async def test_a_redirect_that_was_tampered_with(
    server: Whole, log_in: LogIn, provider: Provider, answer: dict[str, str], why: str
) -> None:
    provider.answer = answer
    assert (await log_in())[0] == f"/console?login={why}"


async def test_who_says_no_at_the_provider_is_not_in(server: Whole, log_in: LogIn, provider: Provider) -> None:
    provider.deny = "access_denied"
    ended, http = await log_in()
    assert ended == "/console?login=denied"
    assert (await http.get("/api/me")).status_code == 401


async def test_a_log_in_belongs_to_the_browser_that_began_it(server: Whole, provider: Provider) -> None:
    async with httpx.AsyncClient(base_url=server.base) as http, httpx.AsyncClient(base_url=server.base) as victim:
        started = await http.get("/api/oidc/start")
        answer = await http.get(started.headers["location"])
        callback = answer.headers["location"]
        assert (await victim.get(callback)).headers["location"] == "/console?login=flow"
        tampered = started.headers["set-cookie"].partition("=")[2].partition(";")[0][:-3] + "abc"
        victim.cookies.set("staywell-flow", tampered)
        assert (await victim.get(callback)).headers["location"] == "/console?login=flow"
        assert (await http.get(callback)).headers["location"] == "/console"
        assert (await http.get(callback)).headers["location"] == "/console?login=flow"  # once
    assert len(set(provider.redeemed)) == len(provider.redeemed)


async def test_the_way_back_is_ours_whatever_the_request_says(server: Whole) -> None:
    async with httpx.AsyncClient(base_url=server.base) as http:
        for host, expected in (
            ("evil.example", "http://127.0.0.1"),
            (f"localhost:{server.base[-5:]}", "http://localhost"),
        ):
            answer = await http.get("/api/oidc/start", headers={"Host": host})
            asked = parse_qs(urlsplit(answer.headers["location"]).query)
            assert asked["redirect_uri"][0].startswith(expected)
        assert (await http.get("/api/oidc/start", params={"to": "https://evil.example"})).status_code == 404


async def test_the_flow_cookie_is_out_of_reach_of_scripts(server: Whole) -> None:
    async with httpx.AsyncClient(base_url=server.base) as http:
        cookie = (await http.get("/api/oidc/start")).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_a_provider_that_is_down_is_said_so(
    server: Whole, log_in: LogIn, provider: Provider, monkeypatch: Any
) -> None:
    documents = provider.server.documents
    kept = documents.pop("/token")
    assert (await log_in())[0] == "/console?login=code"
    documents["/token"] = kept
    monkeypatch.setattr("assistant.identity.oidc.METADATA_FRESH_MS", 0)
    metadata = documents["/.well-known/openid-configuration"]
    async with httpx.AsyncClient(base_url=server.base) as http:
        for bent in ({**metadata, "issuer": "https://evil.example"}, {**metadata, "jwks_uri": "file:///x"}, {}, None):
            documents["/.well-known/openid-configuration"] = bent
            answer = await http.get("/api/oidc/start")
            assert answer.headers["location"] in ("/console?login=provider", "/console?login=fetch")
    documents["/.well-known/openid-configuration"] = metadata


async def test_without_groups_only_those_who_are_here_come_in(
    server: Whole, log_in: LogIn, provider: Provider, monkeypatch: Any
) -> None:
    monkeypatch.setitem(server.services.settings.__dict__, "oidc_groups", {})
    boss = server.hire("boss@shop.example", "supervisor")
    provider.person |= {"email": "boss@shop.example", "groups": None}
    _, http = await log_in()
    assert (await http.get("/api/me")).json()["agent"]["id"] == boss
    provider.person["email"] = "nobody@shop.example"
    assert (await log_in())[0] == "/console?login=unknown"


async def test_refusals_are_in_the_audit_trail(server: Whole, log_in: LogIn, provider: Provider) -> None:
    provider.deny = "access_denied"
    before = time.time_ns()
    await log_in()
    query = select(audit.c.data).where(audit.c.action == "login_refused", audit.c.at >= before // 1_000_000)
    assert server.run(lambda c: c.execute(query).scalars().all()) == [{"by": "oidc", "why": "denied"}]


async def test_without_a_provider_there_is_nothing_to_start(tmp_path: Any) -> None:
    with whole_server(tmp_path) as plain:
        async with httpx.AsyncClient(base_url=plain.base) as http:
            assert (await http.get("/api/login-methods")).json() == {"password": True, "oidc": None}
            assert (await http.get("/api/oidc/start")).status_code == 404
            assert (await http.get("/api/oidc/callback")).status_code == 404
