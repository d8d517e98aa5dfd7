"""Fuzzed frames over real sockets: only declared answers, no traceback, no growth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from tests.tools.fuzz_run import fuzz_run

pytestmark = pytest.mark.integration


async def test_fuzzed_frames(tmp_path: Path) -> None:
    report = await fuzz_run(tmp_path, frames=3_000)
    assert report.clean, asdict(report)
    assert report.frames >= 3_000
    assert {1009, 4400} <= set(report.closes)


@pytest.mark.long
@pytest.mark.timeout(3000)
async def test_two_hundred_thousand_fuzzed_frames(tmp_path: Path) -> None:
    report = await fuzz_run(tmp_path, frames=200_000)
    print(asdict(report))
    assert report.clean, asdict(report)
