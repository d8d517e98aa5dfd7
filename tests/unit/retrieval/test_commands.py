"""`staywell index …` as a person at a terminal meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retrieval.commands import index_app

runner = CliRunner()


@pytest.fixture
def products(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text("id,title,price,stock\n1,red mug,500,3\n2,garden chair,4900,1\n3,,1,1\n", encoding="utf-8")
    return path


def run(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(index_app, list(arguments))
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def test_build_info_and_search_agree(tmp_path: Path, products: Path) -> None:
    place = ("--index-dir", str(tmp_path / "index"), "--encoder", "hash", "--json")
    built = json.loads(run("build", "--products", str(products), *place))
    assert built["counts"]["product"]["documents"] == 2
    assert [(row["line"], row["source"]) for row in built["bad_rows"]] == [(4, "products.csv")]
    shown = json.loads(run("info", *place))
    assert shown["snapshot"] == built["snapshot"]
    assert shown["degraded"] == []
    found = json.loads(run("search", "red mugs", "--kind", "product", "-k", "1", *place))
    assert [one["id"] for one in found["candidates"]] == ["1"]
    assert "matched:mug" in found["candidates"][0]["why"]
    chinese = json.loads(run("search", "我的快递到哪了", *place))
    assert chinese["locale"] == "zh"
    assert all(one["id"].endswith("@zh") for one in chinese["candidates"])


def test_readable_output_names_snapshot_and_scripts(tmp_path: Path) -> None:
    place = ("--index-dir", str(tmp_path / "index"), "--encoder", "none")
    assert "serves from" in run("build", *place)
    assert "words only" in run("info", *place)
    assert "@en" in run("search", "delete my account", *place)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("search", "x", "--kind", "poem"), "script, product or article"),
        (("search", "x", "--band", "huge"), "low, elevated or high"),
        (("search", "x", "--reason", "weather"), "one of price"),
        (("search", "x"), "staywell index build"),
        (("info",), "staywell index build"),
    ],
)
def test_mistakes_get_a_sentence_not_a_traceback(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    output = run(*arguments, "--index-dir", str(tmp_path / "none"), "--encoder", "hash", code=2)
    assert complaint in output
    assert "Traceback" not in output


def test_strict_builds_nothing_from_bad_rows(tmp_path: Path, products: Path) -> None:
    folder = tmp_path / "index"
    run("build", "--products", str(products), "--strict", "--index-dir", str(folder), "--encoder", "hash", code=2)
    assert not folder.exists()


def test_a_script_for_old_customers_is_found_for_one(tmp_path: Path) -> None:
    row = {
        "family": "close/known-1",
        "intent": "praise",
        "stage": "close",
        "conditions": {"tenure_days": {"min": 365}},
        "approved_by": "qa",
        "locales": {"en": {"title": "Praise", "text": "Good to have you.", "examples": ["what a lovely shop"]}},
    }
    file = tmp_path / "scripts.jsonl"
    file.write_text(json.dumps(row), encoding="utf-8")
    place = ("--index-dir", str(tmp_path / "index"), "--encoder", "hash", "--json")
    run("build", "--scripts", str(file), *place)

    def found(*customer: str) -> list[str]:
        answer = json.loads(run("search", "a lovely shop", *customer, *place))
        return [one["id"] for one in answer["candidates"]]

    assert found() == []
    assert found("--tenure-days", "364") == []
    assert found("--tenure-days", "400") == ["close/known-1@en"]
