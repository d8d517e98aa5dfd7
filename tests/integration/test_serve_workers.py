"""`staywell serve --workers`: the whole product in several processes behind one port."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.postgres import Cluster, cluster
from tests.tools.roll_run import roll_run
from tests.tools.run_report import summary

pytestmark = pytest.mark.integration


@pytest.mark.timeout(600)
async def test_rolling_restarts_and_a_worker_that_dies(tmp_path: Path, postgres: Cluster) -> None:
    """Both workers are replaced, then one is killed: every message is stored, seen, scored, decided and answered once."""
    report = await roll_run(tmp_path, postgres.migrated(), rounds=1, clients=6, kills=1, pause_s=2.0)
    assert report.clean, summary(report)
    assert (report.faults, report.kills) == (1, 1)
    assert report.stored > report.sent >= 6
    assert report.escalated > 0


@pytest.mark.long
@pytest.mark.timeout(3000)
async def test_twenty_rolling_restarts_under_load(tmp_path: Path) -> None:
    with cluster(durable=True) as database:
        report = await roll_run(tmp_path, database.migrated(), rounds=20, clients=20, kills=5)
    print(summary(report))
    assert report.clean, summary(report)


def test_several_workers_need_a_database_that_they_can_share(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STAYWELL_")}
    ended = subprocess.run(
        [sys.executable, "-m", "assistant.cli", "serve", "--workers", "2", "--data-dir", str(tmp_path)],
        capture_output=True, text=True, env=environment, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "PostgreSQL" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
