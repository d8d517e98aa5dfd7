"""Conversations from files: labels, splits, and rows that cannot be used."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from risk.conversation.data import Conversation, folds, read, upcoming
from risk.errors import DataRefused
from risk.types import Message


def _write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def _message(text: str, **more: object) -> dict[str, object]:
    return {"role": "customer", "text": text, **more}


def test_the_closing_row_of_a_rating_is_the_whole_not_a_turn(tmp_path: Path) -> None:
    row = {
        "id": "a",
        "language": "zh",
        "messages": [_message("好", satisfaction=2), _message("OVERALL", satisfaction=0)],
    }
    (c,) = read([_write(tmp_path / "c.jsonl", row)])
    assert [m.text for m in c.messages] == ["好"]
    assert c.levels == (2,)
    assert c.level == 0


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(json.dumps({"messages": [_message("hi")]}) + "\n")
    assert read([path])[0].messages == (Message("contact", "hi"),)


@pytest.mark.parametrize(
    "row",
    [
        [],
        {"messages": "no"},
        {"messages": [{"role": "king", "text": "x"}]},
        {"messages": [{"role": "customer"}]},
        {"messages": [_message("x", satisfaction=3)]},
        {"messages": [_message("x", satisfaction=True)]},
        {"messages": [_message("x")], "satisfaction_mean": 9},
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, row: object) -> None:
    good = {"messages": [_message("x")]}
    with pytest.raises(DataRefused, match="line 2:"):
        read([_write(tmp_path / "c.jsonl", good, row)])


def test_broken_json_and_broken_gzip_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"messages": [\n')
    with pytest.raises(DataRefused, match="JSONL"):
        read([bad])
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress(b'{"messages": []}\n' * 100)[:-12])
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(gzip.compress(b'{"messages": []}\n' * 100)[:12] + b"\xff" * 40)
    for path in (torn, damaged):
        with pytest.raises(DataRefused, match="cannot read"):
            read([path])


def test_upcoming_looks_at_the_next_three_labelled_turns_only() -> None:
    assert upcoming([1, None, 1, 0, None, 2, 2, 2, 2]) == [True, None, True, False, None, False, False, False, None]
    assert upcoming([None, None]) == [None, None]


def test_folds_keep_translations_of_one_original_together() -> None:
    made = [Conversation(f"stc3-{lang}-{n}", lang, (), ()) for n in range(40) for lang in ("zh", "en")]
    made += [Conversation(f"x{n}", "en", (), (), customer=f"c{n % 5}") for n in range(20)]
    fold = folds(made, 4, seed=1)
    sides: dict[str, set[int]] = {}
    for conversation, k in zip(made, fold, strict=True):
        sides.setdefault(conversation.group, set()).add(k)
    assert all(len(s) == 1 for s in sides.values())
    assert set(fold) == {0, 1, 2, 3}
    assert fold == folds(made, 4, seed=1)


def _talk(name: str, customer: str, *texts: str) -> Conversation:
    return Conversation(
        name, "en", tuple(Message("contact", text) for text in texts), (None,) * len(texts), customer=customer
    )


def test_near_copies_and_everything_of_their_customers_are_in_one_fold() -> None:
    said = [f"this is what they all wrote, line {n}" for n in range(3)]
    # each line stands first in a conversation that is no copy of anything
    made = [_talk(f"first-{n}", f"c{n}", text) for n, text in enumerate(said)]
    made += [_talk("original", "ada", *said), _talk("copy", "ben", *said), _talk("another of ben", "ben", "hello")]
    made += [_talk(f"other-{n}", f"d{n}", "good morning") for n in range(60)]
    for seed in range(8):
        fold = dict(zip((conversation.id for conversation in made), folds(made, 6, seed), strict=True))
        assert fold["original"] == fold["copy"] == fold["another of ben"]
        assert len(set(fold.values())) == 6


def test_what_everybody_writes_makes_nobody_a_copy() -> None:
    said = [f"a button that many customers press, number {n}" for n in range(3)]
    made = [_talk(f"t{n}", f"c{n}", *said) for n in range(80)]
    assert len(set(folds(made, 5, seed=1))) == 5


def test_a_byte_order_mark_is_taken_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text('{"id": "a", "messages": [{"role": "customer", "text": "hi"}]}\n', encoding="utf-8-sig")
    assert [c.id for c in read([path])] == ["a"]
