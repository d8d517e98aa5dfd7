"""The gate over real models: the shipped one against copies of it that were made better for nobody, or worse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from assistant.cli import app
from assistant.loop import gating
from assistant.models import own_registry
from assistant.settings import Settings
from retrieval.encoders import load
from risk import artefact, registry
from risk.bands import Bands
from risk.conversation.data import Conversation
from risk.dataset import files
from risk.dataset.erase import erase
from risk.dataset.rows import Case, part
from risk.errors import ArtefactRefused
from risk.gate import Limits
from risk.types import History, Message, OrderRecord
from tests.tools.another_model import another

NOW, DAY = 1_795_000_000_000, 86_400_000
CALM, UPSET = "Thank you, that helps a lot.", "This is terrible, I am leaving for another shop!"
ENCODER = load("use")


def cases(n: int = 1800) -> list[Case]:
    """Customers who are upset, or have not ordered for long, leave more often."""
    random = np.random.default_rng(0)
    made = []
    for i in range(n):
        upset, gap = bool(random.random() < 0.4), float(random.exponential(60))
        at = NOW + i * DAY // 16
        left = float(random.random() < (0.75 if upset else 0.25) * (1.2 if gap > 60 else 0.8))
        order = OrderRecord("o", at - round(gap * DAY), at - round(gap * DAY), 4000, 1, 1)
        talk = Conversation(
            f"c{i}", "en", (Message("contact", UPSET if upset else CALM, at),), (None,), customer=f"u{i}"
        )
        made.append(Case(talk, (1,), History(orders=(order,)), left, False, 1.0, False))
    return made


def decisions(made: list[Case]) -> list[dict[str, Any]]:
    random = np.random.default_rng(1)
    rows = []
    for i, case in enumerate(made):
        action = ("reply:a", "reply:b")[int(random.random() < 0.5)]
        label = {
            "id": f"l{i}",
            "type": "inactive_90",
            "value": case.left,
            "ts_event": NOW,
            "ts_ingested": NOW,
            "supersedes": None,
        }
        rows.append(
            {
                "id": f"d{i}", "conversation_id": f"c{i}", "seq": 1, "customer_key": f"u{i}", "ts_decision": NOW,
                "eligible": ["reply:a", "reply:b"], "probabilities": [0.5, 0.5], "values": [0.0, 0.0],
                "action": action, "propensity": 0.5, "overrides": [], "outcomes": [label],
            }
        )  # fmt: skip
    return rows


def write(folder: Path, made: list[Case]) -> files.Dataset:
    return files.read(files.write(folder, site="demo", as_of=NOW, horizon_days=90, parts=[part(decisions(made), made)]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> files.Dataset:
    return write(tmp_path_factory.mktemp("training"), cases())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = own_registry(Settings(data_dir=tmp_path))
    registry.adopt(own)
    return own


LIMITS = Limits(least_customers=10, false_alarms=1.0, p95_ms=1000.0, value_loss=1.0)


def test_a_challenger_that_is_no_worse_passes_and_may_serve(
    dataset: files.Dataset, folder: Path, tmp_path: Path
) -> None:
    same = another(folder)
    assert not gating.may_serve(folder, same)
    verdict = gating.judge(dataset, folder, same, ENCODER, cache=tmp_path / "cache", limits=LIMITS)
    assert verdict.passed, verdict.as_json()
    assert gating.may_serve(folder, same)
    found = gating.verdict_of(folder, same)
    assert found is not None
    assert found["training_set"] == dataset.name
    registry.promote(folder, same, reason="gate passed")
    assert not gating.may_serve(folder, same)  # the verdict was against another champion
    with pytest.raises(ArtefactRefused, match="is the champion"):
        gating.judge(dataset, folder, same, ENCODER, cache=tmp_path / "cache", limits=LIMITS)


def test_the_commands_refuse_what_has_not_passed(folder: Path, tmp_path: Path) -> None:
    few = write(tmp_path / "training", cases(200))
    name, run = another(folder), CliRunner()
    here = ["--data-dir", str(tmp_path)]
    champion = registry.pointer(folder).champion
    assert run.invoke(app, ["models", "promote", name, "--reason", "new", *here]).exit_code == 1
    assert run.invoke(app, ["models", "shadow", name, "--share", "0.05", *here]).exit_code == 1
    assert run.invoke(app, ["models", "shadow", *here]).exit_code == 1
    assert registry.pointer(folder).challenger is None
    refused = run.invoke(app, ["models", "gate", name, "--data", str(few.folder), "--json", *here])
    assert refused.exit_code == 3  # too few customers for the limits that hold here
    assert '"evidence"' in refused.stdout
    assert run.invoke(app, ["models", "shadow", name, *here]).exit_code == 0  # looking on harms nobody
    assert registry.pointer(folder).challenger == name
    forced = run.invoke(app, ["models", "promote", name, "--reason", "by hand", "--force", "--by", "ada", *here])
    assert forced.exit_code == 0
    assert registry.journal(folder)[-1]["reason"] == "forced: by hand"
    listed = run.invoke(app, ["models", "list", "--json", *here])
    assert name in listed.stdout
    assert "refused against" in listed.stdout
    shown = run.invoke(app, ["models", "show", name, "--json", *here])
    assert '"passed": false' in shown.stdout
    assert run.invoke(app, ["models", "rollback", "--reason", "worse", *here]).exit_code == 0
    assert registry.pointer(folder).champion == champion
    assert run.invoke(app, ["models", "rollback", "--reason", "again", *here]).exit_code == 2


def test_a_model_tells_what_was_erased_of_what_it_has_seen(folder: Path, tmp_path: Path) -> None:
    seen = write(tmp_path / files.FOLDER, cases(60))
    model = artefact.load(folder / registry.pointer(folder).champion)
    learnt = [{"name": f"{seen.name}/{name}", "sha256": value} for name, value in seen.sheet["files"].items()]
    fused = {**model.data, "fusion": {"files": learnt}}
    version = artefact.save(replace(model, name="fused", data=fused), folder).name

    def shown() -> dict[str, Any]:
        answer = CliRunner().invoke(app, ["models", "show", version, "--json", "--data-dir", str(tmp_path)])
        return dict(json.loads(answer.stdout)["lineage"][0])

    assert shown() == {"training_set": seen.name, "now": seen.name, "rows_erased": 0, "erased_at": None}
    erase(tmp_path / files.FOLDER, {"c7"}, now=NOW)
    assert (shown()["rows_erased"], shown()["erased_at"]) == (2, NOW)
    assert files.read(tmp_path / files.FOLDER / shown()["now"]).sheet["erased"][0]["from"] == seen.name
    told = CliRunner().invoke(app, ["models", "show", version, "--data-dir", str(tmp_path)])
    assert "2 rows of erased conversations" in told.stdout
    assert gating.training_sets(model) == []


def test_what_a_private_model_promises_goes_with_it(dataset: files.Dataset, folder: Path, tmp_path: Path) -> None:
    model = artefact.load(folder / registry.pointer(folder).champion)
    private = {"how": "private", "epsilon": 8.0, "delta": 1e-5, "people": 700}
    told = {**model.data, "conversations": {**model.data["conversations"], "tuned": [private, {"how": "federated"}]}}
    saved = artefact.save(replace(model, name="private", data=told), folder)
    Bands.load(registry.bands_path(folder / model.version)).save(registry.bands_path(saved))
    gating.judge(dataset, folder, saved.name, ENCODER, cache=tmp_path / "cache", limits=LIMITS)
    assert (gating.verdict_of(folder, saved.name) or {})["privacy"] == [{"epsilon": 8.0, "delta": 1e-5}]
    listed = CliRunner().invoke(app, ["models", "list", "--json", "--data-dir", str(tmp_path)])
    rows = {row["version"]: row["privacy"] for row in json.loads(listed.stdout)["models"]}
    assert rows == {saved.name: [{"epsilon": 8.0, "delta": 1e-5}], model.version: []}
