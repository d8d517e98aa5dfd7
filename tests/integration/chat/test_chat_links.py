"""Links that are cut, stalled, half open or slow: the same zeros, and caught up soon after the link is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.link_run import link_run, summary

pytestmark = pytest.mark.integration


async def test_broken_links(tmp_path: Path) -> None:
    report = await link_run(tmp_path, faults=25, clients=10)
    assert report.clean, summary(report)
    assert report.faults == 25
    assert summary(report)["caught_up_p95_s"] <= 3.0


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_three_hundred_broken_links(tmp_path: Path) -> None:
    report = await link_run(tmp_path, faults=300, clients=20)
    print(summary(report))
    assert report.clean, summary(report)
    assert summary(report)["caught_up_p95_s"] <= 3.0
