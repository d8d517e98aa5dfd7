from __future__ import annotations

import pytest

from assistant.policy.safety import safety_concern

VOICED = [
    ("I will sue you", "legal"),
    ("you will hear from my lawyer", "legal"),
    ("I'm taking this to court", "legal"),
    ("I'll take legal action", "legal"),
    ("I'm going to file a chargeback", "legal"),
    ("I'll report you to trading standards", "legal"),
    ("我要起诉你们", "legal"),
    ("法院见", "legal"),
    ("我会找律师", "legal"),
    ("等着收律师函吧", "legal"),
    ("我要打12315投诉", "legal"),
    ("我要去消协投诉你们", "legal"),
    ("再不处理我就报警了", "legal"),
    ("I want to kill myself", "self_harm"),
    ("I'm going to end my life", "self_harm"),
    ("i just want to die", "self_harm"),
    ("我不想活了", "self_harm"),
    ("真的想死了", "self_harm"),
    ("我要自杀", "self_harm"),
    ("I will kill you", "threat"),
    ("I'll burn down your store", "threat"),
    ("我要弄死你们", "threat"),
    ("信不信我砸了你们店", "threat"),
    ("the charger caught fire", "injury"),
    ("it exploded in my hand", "injury"),
    ("my son got an electric shock", "injury"),
    ("she went to the hospital after using it", "injury"),
    ("充电的时候起火了", "injury"),
    ("电池爆炸了", "injury"),
    ("孩子被烫伤了", "injury"),
    ("吃完就送医院了", "injury"),
]

HARMLESS = [
    "where is my order",
    "this dress is to die for",
    "the price is killing me",
    "do you sell bath bombs?",
    "tennis court shoes",
    "Sue ordered two of them",
    "is it legal size paper?",
    "fire pit with cover",
    "a suicide squad poster",
    "想死你们家的蛋糕了",
    "笑死我了",
    "累死了",
    "爆炸盐多少钱",
    "送到法院路12号",
    "地址是人民医院旁边",
    "什么时候发货",
    "太坑了，退款",
    "",
]


@pytest.mark.parametrize(("text", "concern"), VOICED)
def test_concerns_are_heard(text: str, concern: str) -> None:
    assert safety_concern(text) == concern


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_words_stay_with_the_bot(text: str) -> None:
    assert safety_concern(text) is None


def test_the_gravest_concern_wins() -> None:
    assert safety_concern("I will sue you and then kill myself") == "self_harm"
