"""kill -9 under load: nothing acknowledged is lost, nothing is doubled, every contact sees the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.kill_run import kill_run, summary

pytestmark = pytest.mark.integration


async def test_kill_nine_under_load(tmp_path: Path) -> None:
    report = await kill_run(tmp_path, kills=4, clients=8)
    assert report.clean, summary(report)
    assert report.stored == report.sent >= report.acked > 20  # some learn from the log, not from an ack
    assert report.kills == 4


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
