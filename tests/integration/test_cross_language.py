"""A question in one language finds the right family among scripts in the other: the shipped playbook, the packaged encoder."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import orjson
import pytest

from retrieval import encoders, playbook, store
from retrieval.documents import Script, SearchContext
from retrieval.search import Retriever

PAIRS = Path(__file__).parents[1] / "fixtures" / "cross_language.jsonl"
OTHER = {"en": "zh", "zh": "en"}


@pytest.mark.integration
def test_a_family_is_found_across_languages(tmp_path: Path) -> None:
    encoder = encoders.load("use")
    scripts, _ = playbook.load(playbook.packaged())
    retriever = Retriever(store.build(tmp_path, scripts, [], encoder))
    pairs = [orjson.loads(line) for line in PAIRS.read_bytes().splitlines()]
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for pair, vector in zip(pairs, encoder.encode([pair["query"] for pair in pairs]), strict=True):
        context = SearchContext(
            kind="script",
            locale=OTHER[pair["query_language"]],
            k=3,
            band="elevated",
            known=frozenset(slot for script in scripts for slot in script.slots),
            facts={"verified": True, "has_order": True},
        )
        found = [candidate.document for candidate in retriever.search(vector, pair["query"], context)]
        assert all(isinstance(script, Script) and script.locale == context.locale for script in found)
        families = {script.family for script in found if isinstance(script, Script)}
        hits[pair["kind"], pair["query_language"]].append(bool(families & set(pair["families"])))
    accuracy = {key: sum(found) / len(found) for key, found in hits.items()}
    for (kind, language), share in sorted(accuracy.items()):
        print(f"{kind:8} {language} → {OTHER[language]}: accuracy@3 {share:.3f} of {len(hits[kind, language])}")
    assert min(accuracy["plain", language] for language in OTHER) >= 0.9
    assert min(accuracy["oblique", language] for language in OTHER) >= 0.7
