"""The commands that measure: one JSON object with the promised keys, and a sentence for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from retrieval import bench, evaluate_commands, judged, rerank

app = typer.Typer()
app.command()(evaluate_commands.retrieval)
app.command()(evaluate_commands.scripts)
app.command()(evaluate_commands.recommend)
app.command("bench")(bench.search)
runner = CliRunner()


def run(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Path, Path]:
    kinds = ["lamp", "mug", "chair", "shirt"]
    products = tmp_path / "products.csv"
    products.write_text(
        "id,title,description,stock\n"
        + "".join(f"{number},{kinds[number % 4]} number {number},for home,1\n" for number in range(80)),
        encoding="utf-8",
    )
    judgements = tmp_path / "judged.csv"
    lines = [
        f"{kind} for {use},{number},{3 if number % 4 == place else 0}"
        for place, kind in enumerate(kinds)
        for use in ("home", "work", "her")
        for number in range(place, place + 12)
    ]
    judgements.write_text("query,docid,rating\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return products, judgements


def test_retrieval_prints_the_promised_table(
    shop: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerank, "TREES", 20)
    monkeypatch.setattr(judged, "REPEATS", 1)
    products, judgements = (str(path) for path in shop)
    common = ("retrieval", "--products", products, "--judgements", judgements, "--encoder", "hash")
    answer = json.loads(run(*common, "--work", str(tmp_path / "work"), "--json"))
    assert answer["n_queries"] == 12
    assert {"dense", "sparse", "fused", "reranked"} <= set(answer["ndcg@10"])
    assert {"dense", "sparse", "fused", "reranked"} <= set(answer["judged_ndcg@10"])
    other = tmp_path / "other.csv"
    other.write_text(shop[1].read_text().replace(" for ", " at "), encoding="utf-8")
    text = run(*common, "--tune", str(other), "--save", str(tmp_path / "ranking"), "--work", str(tmp_path / "work"))
    assert "tuned by other queries" in text
    assert rerank.load(tmp_path / "ranking", "hash-1.1").queries == 12


def test_scripts_ask_a_file_or_folds(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.csv"
    corpus.write_text(
        "text,category\n" + "".join(f"where is parcel {n},delivery\nmy cup {n} is broken,defect\n" for n in range(10)),
        encoding="utf-8",
    )
    asked = tmp_path / "asked.csv"
    asked.write_text("text,category\nwhere is my parcel,delivery\nthe cup is broken,defect\n", encoding="utf-8")
    answer = json.loads(run("scripts", "--data", str(corpus), "--test", str(asked), "--encoder", "hash", "--json"))
    assert (answer["n_queries"], answer["accuracy@1"]) == (2, 1.0)
    assert "20 questions, 2 intents" in run("scripts", "--data", str(corpus), "--encoder", "hash")


def test_recommend_prints_every_way(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    lines = [
        f"o{customer}-{month},{thing},1,2026-0{month + 1}-1{customer % 9},c{customer}"
        for customer in range(40)
        for month in range(6)
        for thing in (f"s{customer % 4}", f"x{(customer * 7 + month) % 20}", f"y{(customer + month) % 15}")
    ]
    path.write_text("order,product,quantity,date,customer\n" + "\n".join(lines), encoding="utf-8")
    answer = json.loads(run("recommend", "--transactions", str(path), "--save", str(tmp_path / "model"), "--json"))
    assert set(answer["ndcg@10"]) == {"popularity", "item_knn", "als", "bought_before", "blend"}
    assert answer["n_customers"] == 40
    assert (tmp_path / "model" / "manifest.json").is_file()
    assert "coverage" in run("recommend", "--transactions", str(path))


def test_bench_measures_each_size(tmp_path: Path) -> None:
    answer = json.loads(run("bench", "--sizes", "300", "--queries", "50", "--work", str(tmp_path), "--json"))
    one = answer["sizes"][0]
    assert (one["products"], one["recall@10"], one["fewest"], one["fewest_filtered"]) == (300, 1.0, 10, 3)
    assert 0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p99"]
    assert "300" in run("bench", "--sizes", "300", "--queries", "50", "--work", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("retrieval", "--products", "{p}", "--judgements", "{p}", "--encoder", "hash"), "'query'|'docid'|'rating'"),
        (("retrieval", "--products", "{p}", "--judgements", "{j}", "--encoder", "none"), "needs an encoder"),
        (("retrieval", "--products", "{p}", "--judgements", "{j}", "--save", "x"), "--tune"),
        (("scripts", "--data", "{p}", "--encoder", "hash"), "text and category"),
        (("recommend", "--transactions", "{p}"), "no column for 'customer'"),
        (("recommend", "--transactions", "{p}", "--map", "nonsense"), "field=Column"),
        (("bench", "--sizes", "many"), "separated by commas"),
        (("bench", "--sizes", "5"), "at least 200"),
    ],
)
def test_mistakes_get_a_sentence(shop: tuple[Path, Path], arguments: tuple[str, ...], complaint: str) -> None:
    filled = [argument.format(p=shop[0], j=shop[1]) for argument in arguments]
    output = run(*filled, code=2)
    assert any(part in output for part in complaint.split("|"))
    assert "Traceback" not in output
