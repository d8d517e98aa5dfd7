from __future__ import annotations

import json
from pathlib import Path

import pytest

from risk import registry
from risk.errors import ArtefactRefused
from risk.registry import POINTER, SHIPPED, Pointer, adopt, bands_path, challenge, journal, pointer, promote, roll_back
from tests.tools.another_model import another


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registry with the shipped champion, and the same model once more under another name."""
    own = tmp_path / "models"
    adopt(own)
    return own


@pytest.fixture
def second(folder: Path) -> str:
    """The shipped model's weights as another version."""
    return another(folder)


def test_adopting_copies_the_shipped_champion_once(folder: Path) -> None:
    assert pointer(folder).champion == pointer(SHIPPED).champion
    assert registry.load_champion(folder).version == pointer(SHIPPED).champion
    before = (folder / POINTER).read_bytes()
    adopt(folder)
    assert (folder / POINTER).read_bytes() == before
    assert [move["what"] for move in journal(folder)] == ["promote"]


def test_promote_and_roll_back_with_reasons(folder: Path, second: str) -> None:
    first = pointer(folder).champion
    assert promote(folder, second, reason="gate passed", by="ada") == Pointer(second, before=first)
    assert registry.load_champion(folder).version == second
    assert roll_back(folder, reason="more complaints", by="ada") == Pointer(first)
    moves = journal(folder)
    assert [(move["what"], move["champion"], move["from"]) for move in moves[1:]] == [
        ("promote", second, first),
        ("rollback", first, second),
    ]
    assert moves[-1]["reason"] == "more complaints"
    assert moves[-1]["by"] == "ada"
    with pytest.raises(ArtefactRefused, match="no champion before"):
        roll_back(folder, reason="again")


def test_promoting_twice_keeps_the_way_back(folder: Path, second: str) -> None:
    first = pointer(folder).champion
    promote(folder, second)
    promote(folder, second)
    assert pointer(folder).before == first


def test_a_challenger_shadows_then_serves_a_share_then_all(folder: Path, second: str) -> None:
    first = pointer(folder).champion
    assert challenge(folder, second) == Pointer(first, challenger=second)
    assert challenge(folder, second, share=0.05).share == 0.05
    assert promote(folder, second) == Pointer(second, before=first)
    assert [move["what"] for move in journal(folder)[1:]] == ["shadow", "canary", "promote"]


def test_a_challenger_may_be_withdrawn(folder: Path, second: str) -> None:
    challenge(folder, second, share=0.25)
    assert challenge(folder, None, reason="slower").challenger is None
    assert journal(folder)[-1]["what"] == "withdraw"


def test_what_cannot_serve_is_refused(folder: Path, second: str) -> None:
    champion = pointer(folder).champion
    with pytest.raises(ArtefactRefused, match="cannot challenge itself"):
        challenge(folder, champion)
    with pytest.raises(ArtefactRefused, match="between 0 and 1"):
        challenge(folder, second, share=1.5)
    with pytest.raises(ArtefactRefused):
        promote(folder, "nobody-000000000000")
    bands_path(folder / second).unlink()
    with pytest.raises(ArtefactRefused):
        challenge(folder, second)
    assert pointer(folder) == Pointer(champion)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"champion": 3}',
        '{"champion": ".."}',
        '{"champion": "a/b"}',
        '{"champion": "a", "challenger": "../b"}',
        '{"champion": "a", "share": 2}',
        '{"champion": "a", "share": "x"}',
    ],
)
def test_a_pointer_that_makes_no_sense_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / POINTER).write_text(content, encoding="utf-8")
    with pytest.raises(ArtefactRefused):
        pointer(tmp_path)


def test_old_pointers_and_torn_journals_are_read(tmp_path: Path) -> None:
    (tmp_path / POINTER).write_text(json.dumps({"champion": "a-1"}), encoding="utf-8")
    assert pointer(tmp_path) == Pointer("a-1")
    (tmp_path / "journal.jsonl").write_text('{"what": "promote"}\n{"what": "ro', encoding="utf-8")
    assert journal(tmp_path) == [{"what": "promote"}]
    assert registry.versions(tmp_path / "missing") == []
