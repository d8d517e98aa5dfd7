"""What is learned: a metric from examples, a re-ranker from judgements, a recommender from orders."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from retrieval import intents, judged, metric, rerank, store
from retrieval.documents import Product, SearchContext
from retrieval.encoders import unit
from retrieval.errors import BadSnapshot
from retrieval.features import FEATURES
from retrieval.fusion import Fusion
from retrieval.metrics import interval, ndcg, paired, recall, reciprocal_rank
from retrieval.search import Ranking, Retriever


def test_metrics_equal_their_formulas() -> None:
    assert ndcg([3, 2, 0], [3, 2], 10) == pytest.approx(1.0)
    assert ndcg([0, 3], [3], 10) == pytest.approx(1 / np.log2(3))
    assert ndcg([0, 0], [], 10) == 0.0
    assert recall([True, False, True], 4, 2) == 0.25
    assert reciprocal_rank([False, False, True]) == pytest.approx(1 / 3)
    assert reciprocal_rank([False]) == 0.0
    low, high = interval([0.0, 1.0] * 200)
    assert 0.42 < low < 0.5 < high < 0.58
    assert paired([1.0, 1.0, 0.9], [0.5, 0.6, 0.5])["low"] > 0


def scattered(families: int, each: int, noise: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Families that differ in a few directions, and scatter widely in others."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(families, 16))
    labels = [family for family in range(families) for _ in range(each)]
    near = np.hstack([centres[labels] + 0.3 * random.normal(size=(len(labels), 16))])
    far = 2.5 * random.normal(size=(len(labels), noise))
    return unit(np.hstack([near, far])), labels


def test_a_metric_is_learned_where_it_helps_and_only_there(tmp_path: Path) -> None:
    vectors, labels = scattered(8, 30, 24, 1)
    learned = metric.learn(vectors, labels)
    assert learned is not None
    learned.save(tmp_path / "metric.npz")
    again = metric.Metric.open(tmp_path / "metric.npz")
    turned = again.apply(vectors)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(1.0, abs=1e-5)
    same = np.equal.outer(labels, labels)
    assert turned.dot(turned.T)[same].mean() - turned.dot(turned.T)[~same].mean() > 0.4
    assert metric.learn(vectors[:40], labels[:40]) is None or len(set(labels[:40])) > 1
    assert metric.learn(vectors[::10], labels[::10]) is None  # three examples a family teach nothing
    easy = unit(np.repeat(np.eye(8), 30, axis=0) + 0.01)
    assert metric.learn(easy, labels) is None  # plain cosine is already right


def test_scripts_are_evaluated_without_leaking_equal_wordings(tmp_path: Path, hashing) -> None:
    path = tmp_path / "questions.csv"
    rows = [
        f'"where is my {thing}, number {number}",delivery'
        for number, thing in enumerate(["parcel", "order", "box"] * 5)
    ]
    rows += [f'"the {thing} is broken ({number})",defect' for number, thing in enumerate(["cup", "lamp", "chair"] * 5)]
    path.write_text("text,category\n" + "\n".join(rows) + "\n,empty\n", encoding="utf-8")
    questions, faults = intents.load_questions(path)
    assert (len(questions), [fault.line for fault in faults]) == (30, [32])
    double = [*questions, intents.Question("number 3 is my parcel, where", "delivery")]
    for corpus, asked in intents.folds(double):
        words = [{*one.text.replace(",", "").split()} for one in corpus]
        assert all({*one.text.replace(",", "").split()} not in words for one in asked)
    hits = intents.evaluate(questions[::2], questions[1::2], hashing, tmp_path / "index")
    answer = intents.summary(hits, 2)
    assert answer["n_queries"] == 15
    assert answer["accuracy@1"] >= 0.9
    assert answer["intervals"]["accuracy@1"][0] <= answer["accuracy@1"]


@pytest.fixture(scope="module")
def products(product_of) -> list[Product]:
    """Things of seven brands, and cases for them."""
    kinds = ["lamp", "mug", "chair", "shirt", "knife", "phone"]
    products = [
        product_of(number, f"brand{number % 7} {kinds[number % 6]} mark {number}", description="for home and garden")
        for number in range(240)
    ]
    cases = [product_of(1_000 + n, f"case for {kinds[n % 6]} {n}", description="an accessory") for n in range(120)]
    return products + cases


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, products: list[Product], hashing) -> judged.Bench:
    snapshot = store.build(tmp_path_factory.mktemp("bench"), [], products, hashing)
    collection = snapshot.collections["product"]
    titles = hashing.encode([collection.document(number).title for number in range(len(collection))])
    return judged.Bench(collection, hashing, titles)


def judgements() -> dict[str, dict[str, float]]:
    """Whole things are wanted, cases for them are not; each query was shown both."""
    kinds = ["lamp", "mug", "chair", "shirt", "knife", "phone"]
    found: dict[str, dict[str, float]] = {}
    for number, kind in enumerate(kinds):
        for brand in range(7):
            things = {f"p{n}": 3.0 for n in range(240) if n % 6 == number and n % 7 == brand}
            cases = {f"p{1_000 + n}": 0.0 for n in range(120) if n % 6 == number}
            found[f"{kind} brand{brand}"] = dict(list(things.items())[:6]) | dict(list(cases.items())[:6])
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer trees and divisions: enough for what these tests look at."""
    monkeypatch.setattr(rerank, "TREES", 40)
    monkeypatch.setattr(rerank, "SEEDS", (0,))
    monkeypatch.setattr(judged, "REPEATS", 1)


@pytest.mark.usefixtures("quick")
def test_the_table_holds_every_way_and_the_learned_one_learns(bench: judged.Bench) -> None:
    queries = bench.prepare({**judgements(), "nothing known": {"no such product": 3.0}})
    assert len(queries) == 42
    answer = judged.evaluate(queries, None, "hash")
    assert answer["n_queries"] == 42
    assert set(answer["ndcg@10"]) == set(answer["judged_ndcg@10"]) == set(judged.WAYS)
    assert answer["tuned_on"] == "cross-validation"
    assert answer["judged_ndcg@10"]["reranked"] >= answer["judged_ndcg@10"]["dense"]
    assert answer["ndcg@10"]["reranked"] > 0.8
    low, high = answer["intervals"]["ndcg@10"]["reranked"]
    assert low <= answer["ndcg@10"]["reranked"] <= high


@pytest.mark.usefixtures("quick")
def test_a_tuned_reranker_survives_saving_and_serves(
    bench: judged.Bench, tmp_path: Path, hashing, products: list[Product]
) -> None:
    queries = bench.prepare(judgements())
    tuned = judged.tune(queries[::2], hashing.fingerprint)
    folder = tmp_path / "ranking"
    tuned.save(folder)
    tuned.save(folder)  # in place of the first
    again = rerank.load(folder, hashing.fingerprint)
    assert again.scores(queries[0].features) == pytest.approx(tuned.scores(queries[0].features))
    assert again.fusion == tuned.fusion
    assert judged.evaluate(queries[1::2], again, hashing.fingerprint)["tuned_on"] == "other queries"
    with pytest.raises(BadSnapshot, match="not other"):
        rerank.load(folder, "other")
    index = tmp_path / "index"
    retriever = Retriever(store.build(index, [], products, hashing), Ranking.beside(index, hashing.fingerprint))
    assert retriever.ranking.reranker is None
    again.save(index / rerank.FOLDER)
    retriever.swap(store.build(index, [], products, hashing), Ranking.beside(index, hashing.fingerprint))
    assert retriever.ranking.fusions["product"] == again.fusion
    context = SearchContext("product", "en", band="high")
    found = retriever.search(hashing.encode(["phone brand1"])[0], "phone brand1", context)
    assert all("phone mark" in candidate.document.title for candidate in found)
    assert all(0 <= candidate.score <= 1 for candidate in found)
    model = folder / "relevance-0.txt"
    model.write_text(model.read_text() + " ")
    with pytest.raises(BadSnapshot, match="damaged"):
        rerank.load(folder, hashing.fingerprint)
    (folder / rerank.MANIFEST).write_text(json.dumps({"format": 99}))
    with pytest.raises(BadSnapshot):
        rerank.load(folder, hashing.fingerprint)


def test_judgements_that_teach_nothing_are_refused() -> None:
    empty = rerank.Judged(np.zeros((5, len(FEATURES))), np.zeros(5), np.ones(5, dtype=np.bool_))
    with pytest.raises(ValueError, match="above zero"):
        rerank.fit([empty], Fusion(), "hash")


def test_judgement_files_are_checked_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "judgements.csv"
    path.write_text("query,docid,rating\nlamp,1,3\nlamp,2,x\n,3,1\nlamp,4,7\nmug,5,0\n", encoding="utf-8")
    found, faults = judged.load_judgements(path)
    assert found == {"lamp": {"1": 3.0}, "mug": {"5": 0.0}}
    assert [fault.line for fault in faults] == [3, 4, 5]
    path.write_text("Rating;DocId;Query\n3; 1 ;lamp\n2;2\n", encoding="utf-8")
    found, faults = judged.load_judgements(path)
    assert found == {"lamp": {"1": 3.0}}
    assert [(fault.line, fault.reason) for fault in faults] == [(3, "2 fields where the header has 3")]
    path.write_text("query,rating\n", encoding="utf-8")
    with pytest.raises(ValueError, match="docid"):
        judged.load_judgements(path)
    damaged = tmp_path / "judgements.csv.gz"
    damaged.write_bytes(gzip.compress(b"query,docid,rating\n" * 200)[:12] + b"\xff" * 40)
    with pytest.raises(ValueError, match=r"judgements\.csv\.gz cannot be read"):
        judged.load_judgements(damaged)
