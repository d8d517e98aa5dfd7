"""The dense and the keyword index against what they must equal."""

from __future__ import annotations

import threading
from pathlib import Path

import bm25s
import numpy as np
import pytest

from retrieval import lexical, vectors
from retrieval.encoders import unit
from retrieval.errors import BadSnapshot


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> vectors.DenseIndex:
    """A graph index: more rows than a flat one would take."""
    rows = unit(np.random.default_rng(7).normal(size=(vectors.FLAT_UP_TO + 1_000, 32)))
    path = tmp_path_factory.mktemp("dense") / "vectors.faiss"
    vectors.write(rows, path)
    return vectors.DenseIndex(path)


def exact(index: vectors.DenseIndex, query: np.ndarray, k: int, mask: np.ndarray) -> set[int]:
    cosines = np.where(mask, index.vectors @ query, -2.0)
    return set(np.argsort(-cosines)[:k].tolist())


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.4, 0.9, 1.0])
def test_k_rows_come_back_however_few_the_filter_leaves(dense: vectors.DenseIndex, share: float) -> None:
    random = np.random.default_rng(3)
    mask = random.random(dense.count) < share
    mask[5] = True
    hits = 0
    for query in unit(random.normal(size=(20, 32))):
        rows, cosines = dense.search(query, 10, mask)
        assert len(rows) == min(10, mask.sum())
        assert mask[rows].all()
        assert (np.diff(cosines) <= 1e-6).all()
        hits += len(set(rows.tolist()) & exact(dense, query, len(rows), mask)) / len(rows)
    assert hits / 20 > 0.9


def test_flat_and_graph_agree_on_the_nearest(dense: vectors.DenseIndex, tmp_path: Path) -> None:
    vectors.write(dense.vectors[:1_000], tmp_path / "flat.faiss")
    flat = vectors.DenseIndex(tmp_path / "flat.faiss")
    assert flat.search(dense.vectors[17], 1)[0].tolist() == dense.search(dense.vectors[17], 1)[0].tolist() == [17]


def test_vectors_cannot_be_written(dense: vectors.DenseIndex) -> None:
    with pytest.raises(ValueError, match="read-only"):
        dense.vectors[0, 0] = 1.0


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vectors.faiss").write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(BadSnapshot):
        vectors.DenseIndex(tmp_path / "vectors.faiss")


TEXTS = [
    "red mug",
    "blue mug 500 ml",
    "red red shirt XL",
    "保温杯 红色",
    "mug",
    "",
    "shirt shirt shirt",
    "WH-1000XM4 headphones",
] * 3


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> lexical.LexicalIndex:
    folder = tmp_path_factory.mktemp("words")
    lexical.write(TEXTS, folder)
    assert not [file for file in folder.iterdir() if file.suffix not in {".npy", ".json"}]
    return lexical.LexicalIndex(folder)


@pytest.mark.parametrize("query", [["red"], ["red", "mug"], ["mug", "shirt", "500"], ["保温杯"], ["red", "red"]])
def test_scores_equal_those_of_bm25s(words: lexical.LexicalIndex, query: list[str]) -> None:
    reference = bm25s.BM25(k1=lexical.K1, b=lexical.B, method="lucene")
    reference.index([lexical.tokens(text) for text in TEXTS], show_progress=False)
    expected = reference.get_scores(list(dict.fromkeys(query)))
    rows, scores = words.search(query, 50)
    assert sorted(rows.tolist()) == np.flatnonzero(expected).tolist()
    assert scores == pytest.approx(expected[rows], rel=1e-5)
    assert words.scores(query, np.arange(len(TEXTS))) == pytest.approx(expected, rel=1e-5)
    assert scores.max() <= words.bound(query)


def test_common_words_beyond_the_budget_still_count(
    words: lexical.LexicalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = ["500", "red", "mug"]
    monkeypatch.setattr(lexical, "POSTINGS", 4)
    rows, scores = words.search(query, 3)
    assert rows.tolist() == [1, 9, 17]  # found by the rare word; the common ones only add to them
    assert scores == pytest.approx(words.scores(query, rows))
    assert (scores > words.search(["500"], 3)[1]).all()


def test_the_mask_acts_inside_the_search(words: lexical.LexicalIndex) -> None:
    mask = np.zeros(len(TEXTS), dtype=np.bool_)
    mask[[10, 16]] = True
    assert set(words.search(["red", "mug"], 1, mask)[0].tolist()) <= {10, 16}
    assert len(words.search(["red", "mug"], 5, mask)[0]) == 2


def test_unknown_words_find_nothing_and_weigh_most(words: lexical.LexicalIndex) -> None:
    assert len(words.search(["xyzzy"], 5)[0]) == 0
    assert words.idf("xyzzy") > words.idf("500") > words.idf("mug")
    assert words.known(["mug", "500", "xyzzy"]) == ["500", "mug"]
    assert (words.weights(["mug", "500", "xyzzy"], np.asarray([1, 5])) > 0).tolist() == [[True, True], [False, False]]


def test_threads_do_not_disturb_each_other(words: lexical.LexicalIndex) -> None:
    expected = {query: words.search([query], 5)[1].tolist() for query in ("red", "mug", "shirt")}
    wrong: list[str] = []

    def ask(query: str) -> None:
        wrong.extend(query for _ in range(200) if words.search([query], 5)[1].tolist() != expected[query])

    threads = [threading.Thread(target=ask, args=(query,)) for query in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_damaged_vocabulary_is_refused(tmp_path: Path) -> None:
    lexical.write(["a b"], tmp_path)
    (tmp_path / "vocab.index.json").write_bytes(b"{")
    with pytest.raises(BadSnapshot):
        lexical.LexicalIndex(tmp_path)
