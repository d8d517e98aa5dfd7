"""The registry as people see it, and the moves that they may make in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import BadInput, Conflict
from assistant.loop import gating, view
from risk import artefact, registry
from tests.tools.another_model import another


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "models"
    registry.adopt(made)
    return made


def champion_of(folder: Path) -> str:
    return registry.pointer(folder).champion


def states(folder: Path) -> dict[str, str]:
    return {model["version"]: model["state"] for model in view.describe(folder)["models"]}


def judge(folder: Path, version: str, *, passed: bool, champion: str | None = None) -> None:
    check = {"name": "ap", "passed": passed, "limit": -0.005, "figure": {"value": 0.01, "low": -0.001, "high": 0.02}}
    verdict = {"champion": champion or champion_of(folder), "challenger": version, "passed": passed, "checks": [check]}
    gating.verdict_path(folder, version).write_text(json.dumps(verdict), encoding="utf-8")


def make(folder: Path, what: view.What, version: str | None = None, **values: Any) -> registry.Pointer:
    given = {"champion": champion_of(folder), "share": 0.0, "reason": "because", "by": "Sam", **values}
    return view.move(folder, what, version=version, **given)


def test_the_shipped_model_with_its_card_and_figures(folder: Path) -> None:
    found = view.describe(folder)
    (model,) = found["models"]
    assert model["state"] == "champion"
    assert model["version"] == found["champion"]
    assert model["card"].startswith("# staywell")
    figures = {figure["name"]: figure for figure in model["figures"]}
    auc = figures["conversations.dissatisfied_auc"]
    assert auc["low"] < auc["value"] < auc["high"]
    assert figures["history.auc"]["low"] is None
    assert 0 < model["bands"]["elevated"] < model["bands"]["high"] < 1
    assert found["journal"][0]["what"] == "promote"
    assert found["journal"][0]["at"] > 1_700_000_000_000


def test_one_artefact_instead_of_a_registry_can_be_seen_and_not_moved(folder: Path) -> None:
    found = view.describe(folder / champion_of(folder))
    assert [model["state"] for model in found["models"]] == ["champion"]
    assert not found["movable"]
    assert found["journal"] == []


def test_a_model_on_its_way_from_untested_to_retired(folder: Path) -> None:
    old, new = champion_of(folder), another(folder, elevated=0.3)
    assert states(folder) == {old: "champion", new: "untested"}
    make(folder, "shadow", new)
    assert states(folder)[new] == "shadow"
    judge(folder, new, passed=True)
    make(folder, "canary", new, share=0.25)
    assert states(folder)[new] == "canary"
    assert view.describe(folder)["share"] == 0.25
    make(folder, "withdraw")
    assert states(folder)[new] == "passed"
    make(folder, "promote", new, reason="it is better")
    assert states(folder) == {new: "champion", old: "before"}
    assert list(states(folder)) == [new, old], "who serves comes first"
    make(folder, "rollback", reason="it was not")
    # The verdict on it was against the champion that serves again.
    assert states(folder) == {old: "champion", new: "passed"}
    judge(folder, new, passed=True, champion="another")
    assert states(folder)[new] == "retired"
    judge(folder, new, passed=False)
    assert states(folder)[new] == "refused"
    newest = view.describe(folder)["journal"][0]
    assert (newest["what"], newest["reason"], newest["by"]) == ("rollback", "it was not", "Sam")


@pytest.mark.parametrize("what", ["promote", "canary"])
def test_who_has_not_passed_the_gate_serves_nobody(folder: Path, what: Any) -> None:
    new = another(folder)
    for passed, champion in ((None, None), (False, None), (True, "another")):
        if passed is not None:
            judge(folder, new, passed=passed, champion=champion)
        with pytest.raises(Conflict) as refused:
            make(folder, what, new, share=0.1)
        assert refused.value.reason == "gate"
    assert champion_of(folder) != new
    assert registry.pointer(folder).challenger is None


def test_a_move_on_what_is_no_longer_so_is_refused(folder: Path) -> None:
    new = another(folder)
    judge(folder, new, passed=True)
    with pytest.raises(Conflict) as refused:
        make(folder, "promote", new, champion="the one before")
    assert refused.value.reason == "moved"


@pytest.mark.parametrize(
    ("what", "version", "share", "error", "reason"),
    [
        ("promote", None, 0.0, BadInput, "version"),
        ("shadow", "../../etc", 0.0, BadInput, "version"),
        ("shadow", "absent", 0.0, BadInput, "version"),
        ("canary", "NEW", 0.0, BadInput, "share"),
        ("rollback", None, 0.0, Conflict, "model_refused"),
        ("withdraw", None, 0.0, Conflict, "model_refused"),
        ("shadow", "CHAMPION", 0.0, Conflict, "model_refused"),
    ],
)
def test_moves_that_lead_nowhere(
    folder: Path, what: Any, version: str | None, share: float, error: type[Exception], reason: str
) -> None:
    new = another(folder)
    judge(folder, new, passed=True)
    named = {"NEW": new, "CHAMPION": champion_of(folder)}.get(version or "", version)
    with pytest.raises(error) as refused:
        make(folder, what, named, share=share)
    assert refused.value.reason == reason  # type: ignore[attr-defined]


def test_a_damaged_model_is_listed_as_damaged_and_cannot_be_promoted(folder: Path) -> None:
    new = another(folder)
    judge(folder, new, passed=True)
    (folder / new / artefact.TENSORS).write_bytes(b"short")
    with pytest.raises(Conflict) as refused:
        make(folder, "promote", new)
    assert refused.value.reason == "model_refused"
    (folder / new / artefact.MANIFEST).write_text("{", encoding="utf-8")
    assert states(folder)[new] == "damaged"
