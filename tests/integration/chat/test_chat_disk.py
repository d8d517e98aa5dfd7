"""Full disks, failing syncs, pages lost after them, and losses of power: no false ack, and all recovers by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tools.disk_run import compiler, disk_run
from tests.tools.run_report import summary

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        compiler() is None and os.environ.get("CI") != "true",
        reason="NOT RUN: no C compiler to build the failing disk with (apt install gcc)",
    ),
]


async def test_a_failing_disk(tmp_path: Path) -> None:
    report = await disk_run(tmp_path, rounds=8, clients=6)
    assert report.clean, summary(report)
    assert report.kills == 2
    assert report.nacks.get("storage", 0) > 0
    assert report.stored == report.sent
    output = (tmp_path / "output.log").read_text()
    assert "Traceback" not in output


async def test_the_run_can_tell_an_ack_that_came_before_its_sync(tmp_path: Path) -> None:
    report = await disk_run(
        tmp_path, rounds=1, clients=6, ways="p", extra=("--bug", "ack_unsynced"), patience_s=5, least_acked=200
    )
    assert report.lost > 0, summary(report)
    assert not report.clean


@pytest.mark.long
async def test_a_failing_disk_over_a_thousand_acks(tmp_path: Path) -> None:
    report = await disk_run(tmp_path, rounds=20, clients=10, least_acked=1000)
    print(summary(report))
    assert report.clean, summary(report)


@pytest.mark.long
async def test_losses_of_power_over_a_thousand_acks(tmp_path: Path) -> None:
    report = await disk_run(tmp_path, rounds=20, clients=10, least_acked=1000, ways="lp")
    print(summary(report))
    assert report.clean, summary(report)
    assert report.kills >= 10
