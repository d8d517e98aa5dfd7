from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.cli import app
from assistant.turns.examination import Labelled, alone, answer, calibration, in_languages, joined, load, summary
from retrieval import store
from retrieval.documents import Article, Script
from retrieval.encoders import HashEncoder

ENCODER = HashEncoder()
EXAMPLES = {
    "where_is_order": ("where is my parcel", "track my parcel", "has my parcel left yet"),
    "invoice": ("I need an invoice", "send me an invoice please", "an invoice for my company"),
    "off_topic": ("what is the weather like", "tell me a joke", "who won the football match"),
    "not_understood": ("asdf", "???", "hm"),
}


def scripts() -> list[Script]:
    return [
        Script(f"{intent}/a-1@en", f"{intent}/a-1", "en", intent, "Text.", intent, "clarify", examples=examples)
        for intent, examples in EXAMPLES.items()
    ]


def asked(text: str, *accept: str, previous: tuple[str, ...] = ()) -> Labelled:
    return Labelled(text=text, language="en", accept=accept, previous=previous)


def test_messages_are_answered_as_a_conversation_would(tmp_path: Path) -> None:
    snapshot = store.build(tmp_path, scripts(), [], ENCODER)
    messages = [
        asked("where is my parcel please", "where_is_order"),
        asked("I need an invoice", "where_is_order"),
        asked("tell me a joke"),
        asked("48217", "where_is_order", previous=("contact: where is my parcel", "bot: Send me the number.")),
        asked("get me a human", "invoice"),
    ]
    right, wrong, elsewhere, followed, person = answer(messages, snapshot, ENCODER)
    assert right.right == pytest.approx(1.0)
    assert wrong.wrong == pytest.approx(1.0)
    assert elsewhere.right == pytest.approx(1.0)
    assert followed.ranked[0] == "where_is_order"
    assert person.person == 1.0
    for one in (right, wrong, elsewhere, followed, person):
        assert one.right + one.wrong + one.clarified + one.person == pytest.approx(1.0)
    figures = summary([right, wrong, elsewhere, followed, person])
    assert figures["n"] == 4
    assert figures["n_out_of_scope"] == 1
    assert figures["accuracy@1"] == 0.5
    assert figures["out_of_scope_answered"] == pytest.approx(0.0, abs=1e-6)


def test_a_message_can_be_read_alone_or_joined_to_what_came_before() -> None:
    message = asked("48217", "where_is_order", previous=("contact: where is my parcel", "bot: Send me the number."))
    assert alone(message).previous == joined(message).previous == ("bot: Send me the number.",)
    assert alone(message).text == "48217"
    assert joined(message).text == "where is my parcel 48217"


def test_calibration_compares_relevance_with_what_was_right() -> None:
    honest = calibration([0.9] * 10, [1.0] * 9 + [0.0])
    boasting = calibration([0.9] * 10, [1.0] * 3 + [0.0] * 7)
    assert honest["ece"] == pytest.approx(0.0)
    assert boasting["ece"] == pytest.approx(0.6)
    assert calibration([], [])["ece"] is None


def test_examples_of_one_language_alone() -> None:
    both = [*scripts(), Script("a@zh", "a", "zh", "标题", "文", "x", "fix", examples=("例子",))]
    found = in_languages(both, "en")
    assert found[-1].examples == ()
    assert found[-1].title == "a"
    assert found[0] == both[0]


def test_lines_that_are_no_messages_are_named(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text(
        '{"text": "hi", "language": "en", "accept": ["greeting"]}\n\nnot json\n{"text": "x", "language": "fr", "accept": []}\n'
    )
    good, faults = load(file)
    assert [message.text for message in good] == ["hi"]
    assert [fault.split(":")[0] for fault in faults] == ["line 3", "line 4"]


def test_a_passage_is_right_for_the_questions_that_name_it(tmp_path: Path) -> None:
    fee = "The fee of a return label is four euros."
    page = Article("fees", "en", "Return label fee", f"# What the return label costs\n{fee}", "/help/fees")
    snapshot = store.build(tmp_path, scripts(), [], ENCODER, None, [page])
    text = "what does the return label cost, what is the fee"
    named = Labelled(text=text, language="en", accept=("invoice",), passages=("fees#What the return label costs",))
    right, wrong = answer([named, named.model_copy(update={"passages": ()})], snapshot, ENCODER)
    assert (right.page, right.right, right.wrong) == (pytest.approx(1.0), pytest.approx(1.0), 0.0)
    assert (wrong.page, wrong.right, wrong.wrong) == (pytest.approx(1.0), 0.0, pytest.approx(1.0))
    assert "help_article" not in right.ranked


def test_the_command_prints_one_object(tmp_path: Path) -> None:
    rows = [
        {"text": "where is my parcel", "language": "en", "accept": ["where_is_order"]},
        {"text": "tell me a joke", "language": "zh", "accept": []},
    ]
    file = tmp_path / "messages.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    playbook = tmp_path / "playbook.jsonl"
    playbook.write_text(
        "\n".join(
            json.dumps(
                {"family": f"{intent}/a-1", "intent": intent, "stage": "clarify", "approved_by": "test",
                 "locales": {"en": {"title": intent, "text": "Text.", "examples": examples}}}
            )
            for intent, examples in EXAMPLES.items()
        )
    )  # fmt: skip
    arguments = ["evaluate", "answers", str(file), "--scripts", str(playbook), "--encoder", "hash", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["all"]["n"] == 1
    assert printed["all"]["right"] > 0.5
    assert printed["zh"]["n_out_of_scope"] == 1
    assert "with_articles" not in printed
    page = {"id": "tell", "locale": "en", "title": "Where is my parcel", "body": "We write where it is."}
    pages = tmp_path / "help.jsonl"
    pages.write_text(json.dumps(page))
    helped = CliRunner().invoke(app, [*arguments, "--articles", str(pages)])
    assert helped.exit_code == 0, helped.output
    figures = json.loads(helped.stdout)
    assert figures["all"] == printed["all"]
    assert figures["with_articles"]["n"] == 1
    unreadable = CliRunner().invoke(app, [*arguments, "--articles", str(pages.rename(tmp_path / "help.txt"))])
    assert unreadable.exit_code == 1
    assert "expected .csv or .jsonl" in unreadable.output
    wrong = CliRunner().invoke(app, [*arguments, "--split", "exam"])
    assert wrong.exit_code == 1
    assert "Traceback" not in wrong.output
