"""What a guest says of themselves before the first message."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import select

from assistant.storage.tables import contact
from tests.tools.chat_server import IDENTITY_SECRET, SITE_KEY

pytestmark = pytest.mark.integration


async def post(server: Any, token: str, **body: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.base) as client:
        return await client.post("/api/widget/details", json=body, headers={"Authorization": f"Bearer {token}"})


async def session(server: Any, **body: Any) -> str:
    async with httpx.AsyncClient(base_url=server.base) as client:
        answer = await client.post("/api/widget/session", json={"site": SITE_KEY, **body})
    return str(answer.raise_for_status().json()["token"])


def known(server: Any) -> list[tuple[str | None, str | None, bool]]:
    rows = server.chat.storage.read_sync(
        lambda connection: connection.execute(select(contact.c.name, contact.c.email, contact.c.verified)).all()
    )
    return [tuple(row) for row in rows]


async def test_a_guest_has_a_name_and_stays_unverified(chat_server: Any) -> None:
    token = await session(chat_server)
    assert (await post(chat_server, token, name="  Ana  ", email="ana@example.com")).status_code == 200
    assert (await post(chat_server, token, name="Anaïs")).json() == {}
    assert (await post(chat_server, token)).status_code == 200
    assert known(chat_server) == [("Anaïs", "ana@example.com", False)]


async def test_nobody_renames_a_customer_of_the_shop(chat_server: Any) -> None:
    claims = {"sub": "C1", "name": "Real Name", "aud": SITE_KEY, "exp": int(time.time()) + 200}
    identity = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(IDENTITY_SECRET))
    answer = await post(chat_server, await session(chat_server, identity=identity), name="Somebody else")
    assert (answer.status_code, answer.json()["code"]) == (409, "verified")
    assert known(chat_server) == [("Real Name", None, True)]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"email": "no address"},
        {"email": "a@b@c"},
        {"name": "a\0b"},
        {"verified": True},
    ],
)
async def test_bad_details_are_named(chat_server: Any, body: dict[str, Any]) -> None:
    answer = await post(chat_server, await session(chat_server), **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")


async def test_without_a_token_nothing(chat_server: Any) -> None:
    assert (await post(chat_server, "wrong", name="x")).status_code == 401
