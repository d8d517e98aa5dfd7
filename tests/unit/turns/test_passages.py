"""A help page speaks where the playbook knows no good answer, and only there; what it says is its own text and where it stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.turns import replies
from assistant.turns.options import relevance
from assistant.turns.passages import ANSWERS, CLEAR, INTENT, KNOWN, answers, as_script, with_passage
from retrieval.documents import Article, Candidate, Passage, Script

PAGE = Article("returns", "en", "Returning something", "…", "/help/returns")
FOUND = Candidate(
    PAGE, 0, 0.42, {"dense": 0.5, "sparse": 3.0}, ("similar",), Passage("Cost", "It costs {{ 3 * 1.30 }} {# no #}.")
)


def script(chance: float) -> Candidate:
    document = Script("a/b@en", "a/b", "en", "t", "text", "i", "clarify")
    return Candidate(document, 0, chance, {"intent": chance})


def test_a_likely_script_speaks_first() -> None:
    assert with_passage([script(KNOWN)], [FOUND], clear=False) == [script(KNOWN)]


def test_a_passage_joins_unlikely_scripts_and_is_likelier() -> None:
    found = with_passage([script(KNOWN - 0.01)], [FOUND], clear=False)
    assert [candidate.id for candidate in found] == ["a/b@en", "article/returns@en"]
    assert relevance(found[1]) > relevance(found[0])


@pytest.mark.parametrize("articles", [[], [replace(FOUND, score=ANSWERS - 0.01)]])
def test_a_passage_that_is_hardly_near_is_not_said(articles: list[Candidate]) -> None:
    assert with_passage([script(0.1)], articles, clear=False) == [script(0.1)]


def test_the_reply_is_the_pages_text_and_its_source_never_run_as_a_template() -> None:
    reply = replies.message(as_script(FOUND).document, {})  # type: ignore[arg-type]
    assert reply.body == "It costs {{ 3 * 1.30 }} {# no #}.\n\nFrom our help page “Returning something”"
    assert reply.data == {"script": "article/returns@en"}
    assert as_script(FOUND).document.intent == INTENT  # type: ignore[union-attr]


def test_an_address_on_the_web_is_given_in_the_readers_language() -> None:
    page = replace(PAGE, locale="zh", title="退货", url="https://shop.example/help/returns")
    reply = replies.message(as_script(replace(FOUND, document=page)).document, {})  # type: ignore[arg-type]
    assert reply.body.endswith("摘自帮助页面《退货》: https://shop.example/help/returns")


def test_only_passages_become_replies() -> None:
    with pytest.raises(ValueError, match="no passage"):
        as_script(script(0.3))


CLEARLY = replace(FOUND, score=CLEAR)


@pytest.mark.parametrize(
    ("text", "page", "clear"),
    [
        ("what does a return cost", CLEARLY, True),
        ("退货的邮费是多少", CLEARLY, True),
        ("我能退吗", CLEARLY, True),
        ("a return costs?", CLEARLY, True),
        ("a return costs too much", CLEARLY, False),
        ("钱怎么还没退", CLEARLY, False),
        ("what does a return cost", replace(FOUND, score=CLEAR - 0.01), False),
    ],
)
def test_a_question_is_answered_from_a_page_that_clearly_does(text: str, page: Candidate, clear: bool) -> None:
    assert answers(text, [script(0.99)], [page]) is clear
    assert not answers(text, [script(0.99)], [])


def test_the_customers_own_records_come_before_a_page() -> None:
    own = Script("a/b-2@en", "a/b-2", "en", "t", "text {{ order_no }}", "i", "fix", slots=("order_no", "order_status"))
    told = replace(script(0.9), document=own)
    assert not answers("where is my parcel?", [told], [CLEARLY])
    assert answers("where is my parcel?", [replace(told, sources={"intent": KNOWN - 0.01})], [CLEARLY])


def test_a_product_that_was_asked_for_comes_before_a_page() -> None:
    show = Script("a/b-3@en", "a/b-3", "en", "t", "text {{ product_list }}", "i", "recommend", slots=("product_list",))
    shown = replace(script(0.9), document=show)
    assert not answers("do you have tents?", [shown], [CLEARLY], named=True)
    assert answers("do you have tents?", [shown], [CLEARLY])
    assert answers("do you have tents?", [replace(shown, sources={"intent": 0.2})], [CLEARLY], named=True)
