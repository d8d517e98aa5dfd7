"""kill -9 under load: nothing acknowledged is lost, nothing is doubled, every contact sees the log."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import LAST_WORDS, free_port
from tests.tools.kill_run import kill_run
from tests.tools.run_report import summary
from tests.tools.server_process import ServerProcess

pytestmark = pytest.mark.integration


async def test_kill_nine_under_load(tmp_path: Path) -> None:
    report = await kill_run(tmp_path, kills=4, clients=8)
    assert report.clean, summary(report)
    assert report.stored == report.sent >= report.acked > 20  # some learn from the log, not from an ack
    assert report.kills == 4


@pytest.mark.parametrize(("point", "stored"), [("before_commit", False), ("after_commit", True)])
async def test_killed_on_either_side_of_the_commit(tmp_path: Path, point: str, stored: bool) -> None:
    """No ack comes in either case. What was not committed is gone and sent again; what was is known again, under its number."""
    port, cmid = free_port(), str(uuid4())
    doomed = ServerProcess(tmp_path, port, ("--die", point))
    await doomed.start()
    token = (await new_session(doomed.base))["token"]
    async with Contact(doomed.base, token) as contact:
        ready = await contact.hello()
        assert (await contact.message("first"))["seq"] == 1
        await contact.say({"t": "msg", "cmid": cmid, "body": LAST_WORDS})
        assert (await contact.closed())[0] == 1006
        assert [frame["t"] for frame in contact.frames if frame.get("cmid") == cmid] == []
    await doomed.kill()
    heir = ServerProcess(tmp_path, port)
    await heir.start()
    try:
        async with Contact(heir.base, token) as contact:
            again = await contact.hello(conv=ready["conv"], epoch=ready["epoch"], after=1)
            assert (again["resumed"], again["head"]) == (True, 2 if stored else 1)
            ack = await contact.message(LAST_WORDS, cmid)
            assert (ack["t"], ack["seq"], ack["dup"]) == ("ack", 2, stored)
            assert [(one["seq"], one["cmid"]) for one in await contact.events(2)] == [(2, cmid)]
            assert (await contact.message("last"))["seq"] == 3
    finally:
        await heir.kill()


async def test_the_run_notices_when_message_ids_are_not_unique(tmp_path: Path) -> None:
    report = await kill_run(tmp_path, kills=6, clients=12, extra=("--bug", "forget_cmids"), pause_s=0.01)
    assert report.doubled > 0, summary(report)


@pytest.mark.timeout(600)
async def test_kill_nine_of_the_whole_product(tmp_path: Path) -> None:
    """Every message then has one score, one decision and one outcome, whatever the server was doing when it was killed."""
    report = await kill_run(tmp_path, kills=5, clients=5, pause_s=3.0, whole=True)
    assert report.clean, summary(report)
    assert report.turns_answered > 0
    assert report.escalated >= 2  # in words, and by the button


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_kill_nine_of_the_whole_product_a_hundred_times(tmp_path: Path) -> None:
    report = await kill_run(tmp_path, kills=100, clients=20, pause_s=3.0, whole=True)
    print(summary(report))
    assert report.clean, summary(report)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_kill_nine_a_hundred_times(tmp_path: Path) -> None:
    report = await kill_run(tmp_path, kills=100, clients=20)
    print(summary(report))
    assert report.clean, summary(report)
    assert report.resent_as_known > 0  # some kills fell between commit and ack
