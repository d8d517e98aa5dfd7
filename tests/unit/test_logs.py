from __future__ import annotations

import json
import logging

import pytest
import structlog

from assistant import logs


def test_lines_are_json_with_ids_and_never_with_bodies(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    try:
        logs.configure("info", "json")
        structlog.get_logger().info("turn.done", conversation="C1", body="my card is 4111", latency_ms=3)
        logging.getLogger("elsewhere").warning("two\nlines \x1b[31m")
    finally:
        logging.getLogger().handlers = before
        logging.getLogger().setLevel(logging.WARNING)
        structlog.reset_defaults()
    first, second = capsys.readouterr().err.splitlines()
    line = json.loads(first)
    assert (line["event"], line["conversation"], line["body"]) == ("turn.done", "C1", "[withheld]")
    assert "4111" not in first
    assert json.loads(second)["event"] == "two\nlines \x1b[31m"
    assert "\x1b" not in second
