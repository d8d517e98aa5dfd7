"""The model page over HTTP, on the whole server: a promotion is hot, is written down twice, and is for those who may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from assistant.loop import gating
from assistant.models import own_registry
from assistant.storage.tables import audit
from risk import registry
from tests.tools.another_model import another
from tests.tools.whole_server import PASSWORD, Whole, whole_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assistant.identity.agents._hasher", PasswordHasher(1, 1024, 1))
        with whole_server(tmp_path_factory.mktemp("models"), burst_pause_ms=0) as whole:
            whole.hire("ada", "admin")
            whole.hire("sam", "supervisor")
            yield whole


class Desk:
    """A logged-in person's calls."""

    def __init__(self, http: httpx.AsyncClient, csrf: str) -> None:
        self.http, self.csrf = http, csrf

    async def models(self) -> dict[str, Any]:
        answer = await self.http.get("/api/review/models")
        answer.raise_for_status()
        return dict(answer.json())

    async def move(self, **body: Any) -> httpx.Response:
        return await self.http.post("/api/review/models/moves", json=body, headers={"X-CSRF": self.csrf})


async def log_in(server: Whole, login: str) -> Desk:
    http = httpx.AsyncClient(base_url=server.base, headers={"Origin": server.base})
    answer = await http.post("/api/login", json={"login": login, "password": PASSWORD})
    return Desk(http, answer.raise_for_status().json()["csrf"])


def passed(folder: Path, version: str, champion: str) -> None:
    verdict = {"champion": champion, "challenger": version, "passed": True, "checks": []}
    gating.verdict_path(folder, version).write_text(json.dumps(verdict), encoding="utf-8")


async def test_a_promotion_and_the_way_back(server: Whole) -> None:
    desk = await log_in(server, "ada")
    before = await desk.models()
    old = before["champion"]
    assert before["may_move"]
    assert [one["version"] for one in before["serving"]] == [old]
    folder = own_registry(server.services.settings)
    registry.adopt(folder)
    new = another(folder, elevated=0.31)
    refused = await desk.move(what="promote", champion=old, version=new, reason="looks good")
    assert (refused.status_code, refused.json()["code"]) == (409, "gate")
    passed(folder, new, old)
    promoted = await desk.move(what="promote", champion=old, version=new, reason="  better on Chinese  ")
    assert promoted.status_code == 200
    # At once, not when the watcher looks the next time.
    assert server.services.inference.served.name == new
    assert [one["version"] for one in promoted.json()["serving"]] == [new]
    seen = await desk.models()
    assert {model["version"]: model["state"] for model in seen["models"]} == {new: "champion", old: "before"}
    assert seen["journal"][0]["reason"] == "better on Chinese"
    assert seen["journal"][0]["by"] == "Ada"
    stale = await desk.move(what="rollback", champion=old, reason="too late")
    assert (stale.status_code, stale.json()["code"]) == (409, "moved")
    back = await desk.move(what="rollback", champion=new, reason="worse after all")
    assert back.json()["champion"] == old
    rows = server.run(
        lambda connection: connection.execute(select(audit).where(audit.c.action.like("model_%"))).mappings().all()
    )
    assert [(row["action"], row["object"], row["data"]["reason"]) for row in rows] == [
        ("model_promote", new, "better on Chinese"),
        ("model_rollback", old, "worse after all"),
    ]
    await desk.http.aclose()


async def test_two_who_promote_at_once_do_not_both(server: Whole) -> None:
    desk = await log_in(server, "ada")
    folder = own_registry(server.services.settings)
    registry.adopt(folder)
    old = registry.pointer(folder).champion
    rivals = [another(folder, elevated=0.32), another(folder, elevated=0.33, rival=1)]
    for rival in rivals:
        passed(folder, rival, old)
    answers = await asyncio.gather(
        *(desk.move(what="promote", champion=old, version=rival, reason="me first") for rival in rivals)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    await desk.http.aclose()


@pytest.mark.parametrize("change", [{"reason": " "}, {"reason": None}, {"share": 2}, {"what": "force"}, {"more": 1}])
async def test_malformed_moves(server: Whole, change: dict[str, Any]) -> None:
    desk = await log_in(server, "ada")
    body = {"what": "shadow", "champion": "x", "version": "y", "reason": "a good one", **change}
    assert (await desk.move(**body)).status_code == 422
    await desk.http.aclose()


async def test_where_several_shops_are_served_a_supervisor_looks_and_an_admin_moves(server: Whole) -> None:
    desk = await log_in(server, "sam")
    seen = await desk.models()
    assert not seen["may_move"]
    answer = await desk.move(what="withdraw", champion=seen["champion"], reason="not mine to do")
    assert (answer.status_code, answer.json()["code"]) == (403, "role")
    await desk.http.aclose()
