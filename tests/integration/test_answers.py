"""The packaged playbook against messages as customers write them: what the assistant is let out with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.demo import data
from assistant.turns.examination import Answered, alone, answer, joined, load, summary
from retrieval import articles, playbook, store
from retrieval.documents import Encoder
from retrieval.encoders import load as load_encoder
from retrieval.snapshot import Snapshot

FIXTURES = Path(__file__).parents[1] / "fixtures"
MESSAGES = FIXTURES / "messages.jsonl"
HELP = Path(data.__file__).parent / "data" / "articles.jsonl"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("use")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Snapshot:
    scripts, faults = playbook.load(playbook.packaged())
    assert not faults
    return store.build(tmp_path_factory.mktemp("index"), scripts, [], encoder)


@pytest.fixture(scope="module")
def answered(index: Snapshot, encoder: Encoder) -> Sequence[Answered]:
    messages, wrong = load(MESSAGES)
    assert not wrong
    return answer(messages, index, encoder)


@pytest.fixture(scope="module")
def index_with_help(index: Snapshot, encoder: Encoder) -> Snapshot:
    scripts, _ = playbook.load(playbook.packaged())
    pages, faults = articles.load(HELP)
    assert not faults
    return store.build(index.path.parent, scripts, [], encoder, None, pages)  # beside it: what is encoded is encoded


def test_help_pages_answer_what_they_answer(index: Snapshot, index_with_help: Snapshot, encoder: Encoder) -> None:
    questions, wrong = load(FIXTURES / "help_questions.jsonl")
    assert not wrong
    asked = [question for question in questions if question.split == "test"]
    without, helped = (summary(answer(asked, one, encoder)) for one in (index, index_with_help))
    assert helped["right"] >= max(0.88, without["right"] + 0.05)
    assert helped["wrong"] <= without["wrong"]
    assert helped["page"] >= 0.40


def test_help_pages_disturb_nothing_else(
    answered: Sequence[Answered], index_with_help: Snapshot, encoder: Encoder
) -> None:
    before = [one for one in answered if one.message.split == "test"]
    after = answer([one.message for one in before], index_with_help, encoder)
    assert summary(after)["right"] >= summary(before)["right"] - 1e-6
    assert summary(after)["wrong"] <= summary(before)["wrong"] + 1e-6


def test_the_fixture_asks_both_languages_alike(answered: Sequence[Answered]) -> None:
    for language in ("en", "zh"):
        for split in ("dev", "test"):
            own = [one for one in answered if (one.message.language, one.message.split) == (language, split)]
            assert len([one for one in own if one.message.accept]) >= 37
            assert len([one for one in own if not one.message.accept]) >= 7


def test_held_out_messages_are_answered_right(answered: Sequence[Answered]) -> None:
    figures = summary([one for one in answered if one.message.split == "test"])
    assert figures["right"] >= 0.85
    assert figures["confidently_wrong"] <= 0.07
    assert figures["clarified"] <= 0.10
    assert figures["out_of_scope_answered"] <= 0.15
    assert figures["calibration"]["ece"] <= 0.15


@pytest.mark.parametrize("language", ["en", "zh"])
def test_neither_language_is_left_behind(answered: Sequence[Answered], language: str) -> None:
    figures = summary([one for one in answered if one.message.split == "test" and one.message.language == language])
    assert figures["right"] >= 0.80
    assert figures["accuracy@3"] >= 0.90


@pytest.mark.parametrize(
    "text", ["Hi, the kettle I got last month leaks at the base. Order 47990.", "你好，上次那单羊毛毯怎么还没到？"]
)
def test_plain_first_messages_are_not_asked_back(answered: Sequence[Answered], text: str) -> None:
    (one,) = [one for one in answered if one.message.text == text]
    assert one.right >= 0.95


def test_what_was_said_before_counts_where_it_helps_and_no_further(index: Snapshot, encoder: Encoder) -> None:
    messages, wrong = load(FIXTURES / "followups.jsonl")
    assert not wrong
    read, last, both = (
        summary(answer(asked, index, encoder))["accuracy@1"]
        for asked in (messages, [*map(alone, messages)], [*map(joined, messages)])
    )
    assert read >= 0.70
    assert read >= last + 0.15
    assert read >= both + 0.05
