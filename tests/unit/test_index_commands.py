"""`staywell index …` over a site's database: words alone where no encoder is wanted, and a sentence where one is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.cli import app
from retrieval import encoders
from retrieval.encoders import EncoderMissing


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAYWELL_ENCODER", "none")
    folder = tmp_path / "data"
    products = tmp_path / "products.csv"
    products.write_text("id;title;stock;regions\n1;blue mug;3;DE\n2;;1;\n3;blue pot;1;AT\n", encoding="utf-8")
    run(folder, "migrate")
    run(folder, "site", "add", "demo", "--name", "Shop", "--origin", "http://localhost")
    run(folder, "import", "products", str(products))
    return folder


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*arguments, "--data-dir", str(folder)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def test_without_an_encoder_words_are_searched_and_filters_hold(shop: Path) -> None:
    assert "words only" in run(shop, "index", "build")
    assert json.loads(run(shop, "index", "info", "--json"))["degraded"] == ["lexical_only"]
    for region, found in (("DE", ["1"]), ("AT", ["3"]), ("FR", [])):
        arguments = ("index", "search", "blue", "--kind", "product", "--region", region, "--json")
        assert [one["id"] for one in json.loads(run(shop, *arguments))["candidates"]] == found


def test_a_missing_encoder_gets_a_sentence(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise EncoderMissing(f"the encoder {name!r} cannot be loaded")

    monkeypatch.setattr(encoders, "load", missing)
    monkeypatch.setenv("STAYWELL_ENCODER", "nowhere")
    output = run(shop, "index", "build", code=2)
    assert "'nowhere' cannot be loaded" in output
    assert "Traceback" not in output
