from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval import intent_head, store
from retrieval.documents import Reading, Script, SearchContext
from retrieval.encoders import HashEncoder
from retrieval.errors import BadSnapshot
from retrieval.intent_head import IntentHead, fit, grams
from retrieval.search import Retriever
from retrieval.snapshot import Snapshot

EXAMPLES = {
    "where_is_order": [
        "where is my parcel",
        "track my parcel please",
        "has my parcel left",
        "我的快递到哪了",
        "查一下快递到哪了",
    ],
    "return_item": ["I want to return this", "how do I return it", "return these shoes", "我要退货", "这个想退货"],
    "invoice": ["I need an invoice", "send me an invoice", "an invoice for my company", "开张发票", "我要发票"],
}
ENCODER = HashEncoder()


def taught() -> IntentHead:
    texts = [text for own in EXAMPLES.values() for text in own]
    intents = [intent for intent, own in EXAMPLES.items() for _ in own]
    found = fit(ENCODER.encode(texts), texts, intents)
    assert found is not None
    return found


def best(head: IntentHead, text: str) -> tuple[str, float]:
    chances = head.probabilities(ENCODER.encode([text]), [text])[0]
    return head.names[int(chances.argmax())], float(chances.max())


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("parcel?", "where_is_order"),
        ("can I return the shoes", "return_item"),
        ("能开发票吗", "invoice"),
        ("快递在哪", "where_is_order"),
    ],
)
def test_it_knows_what_is_like_its_examples(text: str, intent: str) -> None:
    found, chance = best(taught(), text)
    assert found == intent
    assert chance > 0.5


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch() -> None:
    head = taught()
    texts = ["parcel", "发票", "", "something else entirely", "12345"]
    together = head.probabilities(ENCODER.encode(texts), texts)
    assert np.allclose(together.sum(axis=1), 1.0, atol=1e-5)
    for row, text in zip(together, texts, strict=True):
        assert np.allclose(row, head.probabilities(ENCODER.encode([text]), [text])[0], atol=1e-5)


def test_what_resembles_nothing_is_less_sure_than_an_example() -> None:
    assert best(taught(), "zzz qqq")[1] < best(taught(), "where is my parcel")[1] - 0.2


def test_fitting_again_gives_the_same_and_saving_keeps_it(tmp_path: Path) -> None:
    first, second = taught(), taught()
    assert np.array_equal(first.weights, second.weights)
    assert np.array_equal(first.gram_weights, second.gram_weights)
    first.save(tmp_path / "head.npz")
    again = IntentHead.open(tmp_path / "head.npz")
    assert again.names == first.names
    assert best(again, "我要发票") == best(first, "我要发票")


def test_one_intent_alone_needs_no_head() -> None:
    assert fit(ENCODER.encode(["a", "b"]), ["a", "b"], ["same", "same"]) is None


def test_grams_leave_numbers_out_and_keep_both_scripts() -> None:
    found = set(grams("Order 48217 没到"))
    assert {"=order", "没", "没到"} <= found
    assert not any(character.isdigit() for gram in found for character in gram)


def reading(text: str, kind: str) -> Reading:
    return Reading(text, ENCODER.encode([text])[0], kind)  # type: ignore[arg-type]


def test_a_short_answer_is_read_with_what_came_before_but_a_clear_one_stands_by_itself() -> None:
    head = taught()
    number = head.read(
        ENCODER.encode(["48217"])[0],
        "48217",
        [reading("48217", "core"), reading("where is my parcel 48217", "context")],
    )
    assert head.names[int(number.argmax())] == "where_is_order"
    text = "I need an invoice"
    clear = head.read(
        ENCODER.encode([text])[0], text, [reading(text, "core"), reading(f"where is my parcel {text}", "context")]
    )
    assert head.names[int(clear.argmax())] == "invoice"


def test_a_clause_speaks_for_a_message_that_says_much_else() -> None:
    head = taught()
    text = "my cousin said on tuesday that zebras qualify, send me an invoice"
    alone = head.probabilities(ENCODER.encode([text]), [text])[0][head.names.index("invoice")]
    clauses = [
        reading(text, "core"),
        reading("my cousin said on tuesday that zebras qualify", "clause"),
        reading("send me an invoice", "clause"),
    ]
    heard = head.read(ENCODER.encode([text])[0], text, clauses)[head.names.index("invoice")]
    assert heard >= min(alone, intent_head.SURE)


def scripts() -> list[Script]:
    return [
        Script(f"{intent}/a-1@en", f"{intent}/a-1", "en", intent, "Text.", intent, "fix", examples=tuple(texts))
        for intent, texts in EXAMPLES.items()
    ]


def test_search_scores_scripts_by_their_intents_probability(tmp_path: Path) -> None:
    snapshot = store.build(tmp_path, scripts(), [], ENCODER)
    found = Retriever(snapshot).search(
        ENCODER.encode(["return my shoes"])[0], "return my shoes", SearchContext("script", "en", band="high")
    )
    assert [candidate.document.intent for candidate in found][:1] == ["return_item"]  # type: ignore[union-attr]
    assert found[0].score == pytest.approx(found[0].sources["intent"])
    assert sum(candidate.sources["intent"] for candidate in found) == pytest.approx(1.0, abs=1e-4)


def test_without_a_vector_words_alone_count_and_no_probability_is_claimed(tmp_path: Path) -> None:
    snapshot = store.build(tmp_path, scripts(), [], ENCODER)
    found = Retriever(snapshot).search(None, "return my shoes", SearchContext("script", "en"))
    assert found
    assert all("intent" not in candidate.sources for candidate in found)


def test_a_damaged_head_is_refused(tmp_path: Path) -> None:
    snapshot = store.build(tmp_path, scripts(), [], ENCODER)
    (snapshot.path / "script" / "intents.npz").write_bytes(b"broken")
    with pytest.raises(BadSnapshot):
        Snapshot.open(snapshot.path, ENCODER.fingerprint)
