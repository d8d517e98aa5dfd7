"""The texts that other tests measure with: enough of them, both languages, and none copied from the playbook."""

from __future__ import annotations

import difflib
from collections import Counter
from pathlib import Path

import orjson

from retrieval import playbook

FIXTURES = Path(__file__).parents[2] / "fixtures"


def rows(name: str) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in (FIXTURES / name).read_bytes().splitlines()]


def test_cross_language_queries_name_families_that_exist_and_are_not_their_examples() -> None:
    scripts, _ = playbook.load(playbook.packaged())
    families = {script.family for script in scripts}
    examples = {example.lower() for script in scripts for example in script.examples}
    pairs = rows("cross_language.jsonl")
    assert min(Counter(str(pair["query_language"]) for pair in pairs).values()) >= 60
    assert len({pair["query"] for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert set(pair) == {"query", "query_language", "kind", "families"}
        assert pair["kind"] in {"plain", "oblique"}
        accepted = pair["families"]
        assert isinstance(accepted, list)
        assert accepted
        assert set(accepted) <= families
        assert len(accepted) <= 16, "a pair that accepts everything measures nothing"
        query = str(pair["query"]).lower()
        assert query not in examples
        assert not difflib.get_close_matches(query, examples, n=1, cutoff=0.85), "measures memory, not meaning"


def test_adversarial_texts_say_what_must_not_happen() -> None:
    texts = rows("adversarial.jsonl")
    assert len(texts) >= 60
    assert min(Counter(str(text["language"]) for text in texts).values()) >= 20
    assert {text["kind"] for text in texts} == {"discount", "rules", "link", "product"}
    assert {text["place"] for text in texts} == {"message", "product_description"}
    assert all(text["must_not"] for text in texts)
    assert len({text["text"] for text in texts}) == len(texts)
