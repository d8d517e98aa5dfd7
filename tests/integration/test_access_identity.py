"""The shop's signed identity over real HTTP: key sets that rotate, are down, too big, or lead elsewhere."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from typer.testing import CliRunner

from assistant.cli import app as cli
from assistant.identity import jwks, sites
from assistant.identity.fetching import MOST_BYTES
from assistant.identity.keys import hash_token
from assistant.identity.trust import identity_settings
from tests.tools.whole_server import Documents, Whole, api_key_of, now_ms, secret_of, whole_server

OLD = ECKey.generate_key("P-256", {"kid": "old"})
NEW = ECKey.generate_key("P-256", {"kid": "new"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole_server(tmp_path_factory.mktemp("identity"), private_key_urls=True) as whole:
        yield whole


@pytest.fixture
def shop() -> Iterator[Documents]:
    """The shop's own server."""
    with Documents() as documents:
        documents.documents["/keys"] = public(OLD)
        yield documents


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not wait half a minute between two fetches; how long that is, unit tests say."""
    monkeypatch.setattr(jwks, "PAUSE_MS", 0)


def public(*keys: Key) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def signed(key: Key, algorithm: str = "ES256", **more: Any) -> str:
    now = int(time.time())
    claims = {"sub": "c-1", "aud": "shop", "iat": now, "exp": now + 240, **more.pop("claims", {})}
    header = {"alg": algorithm, "kid": key.kid, **more}
    return jwt.encode({name: value for name, value in header.items() if value}, claims, key, algorithms=[algorithm])


def trust(server: Whole, **said: Any) -> None:
    """The site `shop` is verified by these keys from now on."""
    site_id = server.sites["shop"].id

    def work(connection: Any) -> None:
        changes = {"identity": identity_settings(**said) if said else None}
        sites.change_settings(connection, site_id, changes, now=now_ms())
        secret = None if said else secret_of("shop")
        sites.change(connection, site_id, now=now_ms(), identity_secret=secret, identity_secret_before=None)

    server.write(work)
    server.services.sites._known.clear()


async def opened(server: Whole, token: str) -> tuple[int, str]:
    async with httpx.AsyncClient(base_url=server.base) as http:
        answer = await http.post("/api/widget/session", json={"site": "shop", "identity": token})
    said = answer.json()
    return answer.status_code, "verified" if answer.status_code == 200 and said["contact"]["verified"] else said["code"]


REFUSED = (401, "identity")


async def test_keys_rotate_without_anybody_telling_us(server: Whole, shop: Documents) -> None:
    trust(server, jwks_url=f"{shop.base}/keys")
    assert await opened(server, signed(OLD)) == (200, "verified")
    assert await opened(server, signed(OLD)) == (200, "verified")
    assert len(shop.asked) == 1
    assert await opened(server, signed(NEW)) == REFUSED
    shop.documents["/keys"] = public(NEW)
    assert await opened(server, signed(NEW)) == (200, "verified")
    assert await opened(server, signed(OLD)) == REFUSED


async def test_only_what_the_site_allows_is_accepted(server: Whole, shop: Documents) -> None:
    shop.documents["/keys"] = public(OLD, RSA)
    trust(server, jwks_url=f"{shop.base}/keys", algorithms=["ES256"])
    assert await opened(server, signed(OLD)) == (200, "verified")
    asked = len(shop.asked)
    pem = RSA.as_pem(private=False)
    confused = jwt.encode(
        {"alg": "HS256", "kid": "rsa"},
        {"sub": "c-1", "aud": "shop", "exp": int(time.time()) + 60},
        OctKey.import_key({"kty": "oct", "k": OctKey.import_key(pem.hex()).as_dict()["k"]}),
    )
    unsigned = ".".join((*signed(OLD, alg="ES256").split(".")[:2], ""))
    now = int(time.time())
    for token in (
        signed(RSA, "RS256"),
        confused,
        unsigned,
        signed(NEW, kid="old"),  # another key under a known name
        jwt.encode(
            {"alg": "HS256"}, {"sub": "c-1", "aud": "shop", "exp": now + 60}, OctKey.import_key(secret_of("shop"))
        ),
    ):
        assert await opened(server, token) == REFUSED
    assert len(shop.asked) == asked
    for claims in (
        {"aud": "other"},
        {"aud": None},
        {"exp": now + 500},
        {"iat": now - 240, "exp": now + 200},
        {"exp": now - 90},
        {"sub": ""},
    ):
        assert await opened(server, signed(OLD, claims=claims)) == REFUSED


async def test_a_set_that_cannot_be_read_is_not_the_customers_fault(server: Whole, shop: Documents) -> None:
    big = b'{"keys": [], "x": "' + b"x" * MOST_BYTES + b'"}'
    elsewhere = lambda *_: (302, {"Location": f"{shop.base}/keys"}, b"")  # noqa: E731
    broken = lambda *_: (500, {}, b"boom")  # noqa: E731
    answers = {"/big": big, "/moved": elsewhere, "/broken": broken, "/text": b"<html>", "/list": b"[]"}
    shop.documents.update(answers)
    for path in (*answers, "/absent"):
        trust(server, jwks_url=shop.base + path)
        assert await opened(server, signed(OLD)) == (503, "keys")
    assert "/keys" not in shop.asked
    trust(server, jwks_url="http://127.0.0.1:9/keys")
    assert await opened(server, signed(OLD)) == (503, "keys")


async def test_a_shop_that_is_down_for_a_while_loses_nobody(server: Whole, shop: Documents) -> None:
    trust(server, jwks_url=f"{shop.base}/keys")
    assert await opened(server, signed(OLD)) == (200, "verified")
    shop.documents["/keys"] = lambda *_: (500, {}, b"")
    assert await opened(server, signed(OLD)) == (200, "verified")
    assert await opened(server, signed(NEW)) == REFUSED


async def test_a_slow_shop_is_not_waited_for(server: Whole, shop: Documents) -> None:
    over = threading.Event()

    def slow(*_: Any) -> Any:
        over.wait(60)
        return 200, {}, b"{}"

    shop.documents["/slow"] = slow
    trust(server, jwks_url=f"{shop.base}/slow")
    assert await opened(server, signed(OLD)) == (503, "keys")  # while the shop still thinks
    over.set()


async def test_keys_may_stand_in_the_settings(server: Whole) -> None:
    trust(server, jwks=public(OLD, RSA), algorithms=["PS256", "ES256"])
    assert await opened(server, signed(OLD)) == (200, "verified")
    assert await opened(server, signed(RSA, "PS256")) == (200, "verified")
    assert await opened(server, signed(RSA, "RS256")) == REFUSED
    assert await opened(server, signed(NEW)) == REFUSED


async def site_set(server: Whole, *arguments: str, env: dict[str, str] | None = None) -> Any:
    """`staywell site set …` beside the running server."""
    folder = str(server.services.settings.data_dir)
    run = partial(CliRunner().invoke, cli, ["site", "set", *arguments, "--data-dir", folder], env=env)
    return await asyncio.to_thread(run)


async def test_a_command_says_whose_keys_count(server: Whole, shop: Documents, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(public(OLD)))
    environment = {"STAYWELL_PRIVATE_KEY_URLS": "true"}
    command = partial(site_set, server)

    async def eventually(token: str, expected: tuple[int, str]) -> None:
        async with asyncio.timeout(20):
            while await opened(server, token) != expected:  # noqa: ASYNC110 - a server looks every second
                await asyncio.sleep(0.2)

    trust(server)
    assert (await command("shop", "--jwks-url", f"{shop.base}/keys", env=environment)).exit_code == 0
    await eventually(signed(OLD), (200, "verified"))
    await eventually(server.identity("c-1"), REFUSED)
    assert (await command("shop", "--jwks", str(tmp_path / "keys.json"), "--algorithm", "ES384")).exit_code == 0
    await eventually(signed(OLD), REFUSED)
    assert (await command("shop", "--jwks", str(tmp_path / "keys.json"))).exit_code == 0
    await eventually(signed(OLD), (200, "verified"))
    for arguments, code in (
        (["shop"], 2),
        (["shop", "--algorithm", "ES256"], 2),
        (["shop", "--jwks-url", "https://a.example/", "--new-identity-secret"], 2),
        (["shop", "--jwks-url", "http://a.example/"], 1),
        (["shop", "--jwks", str(tmp_path / "keys.json"), "--algorithm", "HS256"], 1),
        (["nowhere", "--name", "x"], 1),
    ):
        assert (await command(*arguments)).exit_code == code, arguments
    ran = await command("shop", "--new-identity-secret", "--json")
    await eventually(signed(OLD), REFUSED)
    assert "identity_secret" in ran.stdout


async def test_secrets_are_changed_over_without_a_gap(server: Whole) -> None:
    trust(server)

    async def made(*options: str) -> dict[str, str]:
        ran = await site_set(server, "shop", *options, "--json")
        assert ran.exit_code == 0, ran.output
        server.services.sites._known.clear()  # as a second later, by itself
        return dict(json.loads(ran.stdout))

    def by(secret: str) -> str:
        return signed(OctKey.import_key(secret), "HS256")

    async def heard(api_key: str) -> bool:
        async with httpx.AsyncClient(base_url=server.base, headers={"Authorization": f"Bearer {api_key}"}) as http:
            return (await http.post("/api/shop/dossier", json={"customer": "nobody"})).status_code == 404

    first, first_key = secret_of("shop"), api_key_of("shop")
    second = await made("--new-identity-secret", "--new-api-key")
    for secret, key in ((first, first_key), (second["identity_secret"], second["api_key"])):
        assert await opened(server, by(secret)) == (200, "verified")
        assert await heard(key)
    await made("--retire")
    assert await opened(server, by(first)) == REFUSED
    assert not await heard(first_key)
    assert await opened(server, by(second["identity_secret"])) == (200, "verified")
    assert await heard(second["api_key"])
    third = await made("--new-identity-secret")
    fourth = await made("--new-identity-secret")  # two at most
    assert await opened(server, by(second["identity_secret"])) == REFUSED
    assert await opened(server, by(third["identity_secret"])) == (200, "verified")
    fifth = await made("--new-identity-secret", "--retire")  # it leaked: at once
    for known, expected in ((third, REFUSED), (fourth, REFUSED), (fifth, (200, "verified"))):
        assert await opened(server, by(known["identity_secret"])) == expected
    assert await heard(second["api_key"])  # which that was not about
    server.write(
        lambda connection: sites.rotate(
            connection, server.sites["shop"].id, now=now_ms(), api_key_hash=hash_token(first_key), retire=True
        )
    )


async def test_what_came_before_public_keys_is_not_good_after_them(server: Whole, shop: Documents) -> None:
    trust(server)
    environment = {"STAYWELL_PRIVATE_KEY_URLS": "true"}
    for options in (["--new-identity-secret"], ["--jwks-url", f"{shop.base}/keys"], ["--new-identity-secret"]):
        assert (await site_set(server, "shop", *options, env=environment)).exit_code == 0
    server.services.sites._known.clear()
    assert await opened(server, server.identity("c-1")) == REFUSED


async def test_a_shared_secret_is_in_force_again_when_keys_are_taken_out(server: Whole) -> None:
    trust(server)
    assert await opened(server, server.identity("c-1")) == (200, "verified")
    assert await opened(server, signed(OLD)) == REFUSED


async def test_without_the_setting_no_key_set_inside_is_fetched(tmp_path: Path, shop: Documents) -> None:
    with whole_server(tmp_path) as public_only:
        for url in (f"{shop.base}/keys", shop.base.replace("http", "https") + "/keys", "https://localhost/keys"):
            trust(public_only, jwks_url=url)
            assert await opened(public_only, signed(OLD)) == (503, "keys")
    assert shop.asked == []
