"""A full disk and one that cannot sync: no false ack, reading goes on, and all recovers by itself."""

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
    report = await disk_run(tmp_path, rounds=6, clients=6)
    assert report.clean, summary(report)
    assert report.nacks.get("storage", 0) > 0
    assert report.stored == report.sent
    output = (tmp_path / "output.log").read_text()
    assert "Traceback" not in output


@pytest.mark.long
async def test_a_failing_disk_over_a_thousand_acks(tmp_path: Path) -> None:
    report = await disk_run(tmp_path, rounds=20, clients=10, least_acked=1000)
    print(summary(report))
    assert report.clean, summary(report)
