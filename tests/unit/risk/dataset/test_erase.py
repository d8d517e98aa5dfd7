from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from risk.conversation.data import Conversation
from risk.dataset import files, lineage
from risk.dataset.erase import erase
from risk.dataset.rows import Case, Part, part
from risk.embeddings import CachedEncoder, forget
from risk.errors import DataRefused
from risk.types import History, Message

NOW = 1_795_000_000_000
DAY = 86_400_000


def case(customer: str, left: float = 0.0) -> Case:
    said = (Message("contact", f"this is {customer}", NOW), Message("bot", "We look.", NOW + 1))
    talk = Conversation(f"conv-{customer}", "en", said, (None, None), customer=customer)
    return Case(talk, (1, 2), History(), left, treated=False, weight=1.0, holdout=False)


def write(parent: Path, *customers: str, waiting: tuple[str, ...] = ()) -> Path:
    log = [{"id": c, "conversation_id": f"conv-{c}", "customer_key": c, "outcomes": []} for c in customers]
    parts = [part(log, [case(c) for c in customers], still_open=[case(c, float("nan")) for c in waiting])]
    return files.write(parent, site="demo", as_of=NOW, horizon_days=90, parts=parts)


def everything(parent: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(parent.rglob("*")) if path.is_file())


def test_datasheet_card_and_lineage_tell_of_it_and_of_nobody(tmp_path: Path) -> None:
    old = write(tmp_path, "ada", "ben", "cleo", waiting=("dora",))
    assert erase(tmp_path, {"conv-ada"}, now=NOW + DAY).rows == 2  # a case and a decision
    assert erase(tmp_path, {"conv-dora", "conv-ben"}, now=NOW + 2 * DAY).rows == 3
    since = lineage.since(tmp_path, old.name)
    assert since.as_json() == {
        "training_set": old.name, "now": since.now, "rows_erased": 5, "erased_at": NOW + 2 * DAY,
    }  # fmt: skip
    found = files.read(tmp_path / str(since.now))
    assert [one.customer for one in found.cases] == ["cleo"]
    assert found.still_open() == ()
    assert [(one["rows"], one["at"]) for one in found.sheet["erased"]] == [(2, NOW + DAY), (3, NOW + 2 * DAY)]
    assert found.sheet["erased"][0]["from"] == old.name
    card = (found.folder / files.CARD).read_text(encoding="utf-8")
    assert re.search(rf"2 rows of erased conversations were taken out of `{old.name}`", card)
    assert not re.search("ada|ben|dora", everything(tmp_path))
    assert len([entry for entry in tmp_path.iterdir() if entry.is_dir()]) == 1


def test_reports_are_carried_over_without_the_erased(tmp_path: Path) -> None:
    old = write(tmp_path, "ada", "ben")
    report = {"challenger": "m1", "look_at": {"suspect": ["conv-ben", "conv-ada"], "of": 2}}
    (old / "loop.json").write_text(json.dumps(report), encoding="utf-8")
    erase(tmp_path, {"conv-ada"}, now=NOW)
    new = tmp_path / str(lineage.since(tmp_path, old.name).now)
    assert json.loads((new / "loop.json").read_text(encoding="utf-8")) == {
        "challenger": "m1",
        "look_at": {"suspect": ["conv-ben"], "of": 2},
    }


def test_what_is_removed_as_a_whole_leads_nowhere(tmp_path: Path) -> None:
    damaged = write(tmp_path, "ada")
    (damaged / files.CASES).write_text("{}", encoding="utf-8")
    erase(tmp_path, {"conv-ben"}, now=NOW)
    assert lineage.since(tmp_path, damaged.name).now is None
    assert lineage.since(tmp_path, "never heard of").now == "never heard of"
    with (tmp_path / lineage.JOURNAL).open("a", encoding="utf-8") as file:
        file.write('{"at": 1, "fr')  # a crash
    assert lineage.since(tmp_path, damaged.name).now is None


def test_a_set_that_is_being_written_while_somebody_is_erased_is_not_finished(tmp_path: Path) -> None:
    def parts() -> Iterator[Part]:
        yield part([], [case("ada")])
        erase(tmp_path, {"conv-ada"}, now=NOW)
        yield part([], [case("ben")])

    with pytest.raises(DataRefused, match="build it again"):
        files.write(tmp_path, site="demo", as_of=NOW, horizon_days=90, parts=parts())
    assert list(tmp_path.iterdir()) == []


class Counting:
    """Encodes, and remembers what it was asked for."""

    dim, fingerprint = 2, "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.asked += texts
        return np.ones((len(texts), 2), np.float32)


def test_vectors_of_erased_texts_go_too(tmp_path: Path) -> None:
    encoder = Counting()
    cached = CachedEncoder(encoder, tmp_path / "cache")  # type: ignore[arg-type]
    write(tmp_path / "training", "ada", "ben")
    cached.fill(["this is ada", "this is ben"])
    gone = erase(tmp_path / "training", {"conv-ada"}, now=NOW)
    assert gone.texts == {"this is ada", "We look."}
    assert forget(tmp_path / "cache", gone.texts) == 1
    encoder.asked.clear()
    cached.fill(["this is ada", "this is ben"])
    assert encoder.asked == ["this is ada"]
    assert forget(tmp_path / "nowhere", gone.texts) == 0
