"""A question in one language finds the scripts of the other: pairs written for this test, none of them an example of a script."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from retrieval import encoders, playbook, store
from retrieval.documents import Encoder, Script, SearchContext
from retrieval.search import Retriever

PAIRS = Path(__file__).parents[1] / "fixtures" / "retrieval" / "cross_language_pairs.tsv"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return encoders.load("use")


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return playbook.load(playbook.packaged())[0]


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, str]]:
    with PAIRS.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory, scripts: list[Script], encoder: Encoder) -> Retriever:
    return Retriever(store.build(tmp_path_factory.mktemp("index"), scripts, [], encoder))


def test_the_pairs_are_many_and_fresh(pairs: list[dict[str, str]], scripts: list[Script]) -> None:
    assert len(pairs) >= 100
    examples = {example.casefold() for script in scripts for example in script.examples}
    intents = {script.intent for script in scripts}
    for pair in pairs:
        assert pair["intent"] in intents
        assert not {pair["english"].casefold(), pair["chinese"].casefold()} & examples


@pytest.mark.parametrize(("asked", "answered"), [("chinese", "en"), ("english", "zh")])
def test_the_other_language_finds_the_same_scripts(
    retriever: Retriever,
    encoder: Encoder,
    scripts: list[Script],
    pairs: list[dict[str, str]],
    asked: str,
    answered: str,
) -> None:
    context = SearchContext(
        "script",
        answered,
        k=3,
        band="elevated",
        known=frozenset(slot for script in scripts for slot in script.slots),
        facts={name: wanted for script in scripts for name, wanted in script.conditions.items() if wanted is True},
    )
    vectors = encoder.encode([pair[asked] for pair in pairs])
    missed = []
    for pair, vector in zip(pairs, vectors, strict=True):
        found = retriever.search(vector, pair[asked], context)
        assert all(candidate.id.endswith(f"@{answered}") for candidate in found)
        intents = [candidate.document.intent for candidate in found if isinstance(candidate.document, Script)]
        if pair["intent"] not in intents:
            missed.append((pair["intent"], pair[asked], intents))
    accuracy = 1 - len(missed) / len(pairs)
    assert accuracy >= 0.85, f"accuracy@3 {accuracy:.3f}: {missed}"
