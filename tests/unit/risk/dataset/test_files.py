from __future__ import annotations

import re
from pathlib import Path

from risk.conversation.data import Conversation
from risk.dataset import files
from risk.dataset.erase import erase
from risk.dataset.rows import Case, part
from risk.types import ContactRecord, History, Message, OrderRecord, ReturnRecord

NOW = 1_795_000_000_000


def case(customer: str, *, left: float = 0.0, weight: float = 1.25) -> Case:
    messages = (Message("contact", "钱退了吗？\u2028", NOW), Message("bot", "We look.", NOW + 1))
    return Case(
        conversation=Conversation(f"conv-{customer}", "zh", messages, (None, None), customer=customer),
        seqs=(1, 2),
        history=History(
            orders=(OrderRecord("o1", NOW - 5, NOW - 4, 900, 2, 1, promised_at=NOW, coupon=True),),
            returns=(ReturnRecord("o1", NOW - 3, NOW - 2, 100, "damaged"),),
            contacts=(ContactRecord(NOW - 9, NOW - 8, 4, True),),
            first_seen_ms=NOW - 100,
        ),
        left=left,
        treated=False,
        weight=weight,
        holdout=customer == "b",
    )


def write(parent: Path, *customers: str) -> Path:
    decisions = [
        {"id": c, "conversation_id": f"conv-{c}", "customer_key": c, "note": "\u2028", "outcomes": []}
        for c in customers
    ]
    return files.write(
        parent,
        site="demo",
        as_of=NOW,
        horizon_days=90,
        parts=[part(decisions, [case(c) for c in customers])],
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    found = files.read(write(tmp_path, "a", "b"))
    assert found.cases == (case("a"), case("b"))
    assert found.sheet["holdout"] == 1
    assert re.fullmatch(r"demo-202611\d\d-[0-9a-f]{12}", found.name)
    assert "2 conversations of 2 customers" in (found.folder / files.CARD).read_text(encoding="utf-8")
    assert write(tmp_path, "a", "b") == found.folder  # the same contents, the same folder
    assert len(list(tmp_path.iterdir())) == 1


def test_erasure_leaves_no_word_of_the_conversation(tmp_path: Path) -> None:
    with_both, other = write(tmp_path, "a", "b"), write(tmp_path, "c")
    assert erase(tmp_path, {"conv-a"}, now=NOW).rows == 2  # a case and a decision
    assert not with_both.exists()
    assert other.exists()
    (new,) = (folder for folder in tmp_path.iterdir() if folder.is_dir() and folder != other)
    found = files.read(new)
    assert [one.customer for one in found.cases] == ["b"]
    assert found.sheet["left_out"] == {"rows of erased conversations": 2}
    assert b"conv-a" not in (new / files.DECISIONS).read_bytes()
    assert erase(tmp_path, {"conv-a"}, now=NOW).rows == 0


def test_what_cannot_be_read_goes_as_a_whole(tmp_path: Path) -> None:
    damaged = write(tmp_path, "a")
    (damaged / files.SHEET).write_text("{", encoding="utf-8")
    erase(tmp_path, {"conv-b"}, now=NOW)
    assert not damaged.exists()
    assert erase(tmp_path / "missing", {"conv-b"}, now=NOW).rows == 0
