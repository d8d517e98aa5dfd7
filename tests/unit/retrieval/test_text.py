"""Cleaning, language detection and words, in both languages."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retrieval.text import clean, content_words, detect_language, stem, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \n\t b  ", "a b"),
        ("pay\u202eevil\u2069", "payevil"),
        ("hi\U000e0049\U000e0067nore", "hinore"),
        ("ｆｕｌｌ１２", "full12"),
        ("a\ud800b\x00c", "abc"),
    ],
)
def test_clean_keeps_what_a_reader_sees(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_clean_cuts_to_the_limit() -> None:
    assert clean("长" * 9_000) == "长" * 4_000
    assert clean("ab cd", limit=3) == "ab"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("where is my parcel", "en"),
        ("我的包裹在哪里", "zh"),
        ("我的 iPhone 15 Pro Max 坏了", "zh"),
        ("please send me the 水壶 again today", "en"),
        ("退款", "zh"),
        ("12345", "en"),
        ("", "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_numbers_sizes_and_models_stay_whole() -> None:
    found = tokens("Sony WH-1000XM4, size 42.5 or 2XL, for $1,299.50 (1440 x 900)")
    assert {"wh-1000xm4", "1000xm4", "42.5", "2xl", "1299.50", "1440", "900"} <= set(found)
    assert tokens("衬衫2XL尺码") == ["衬衫", "2xl", "尺码"]


def test_plurals_meet() -> None:
    assert tokens("batteries boxes shoes parcels dresses glass") == tokens("battery boxe shoe parcel dresse glass")
    assert stem("gps") == "gps"
    assert stem("bus") == "bus"


def test_content_words_drop_function_words_unless_nothing_else_is_left() -> None:
    assert content_words("where is my parcel") == ["parcel"]
    assert content_words("请问我的包裹在哪里") == ["包裹", "哪里"]
    assert content_words("how are you") == ["how", "are", "you"]


def test_chinese_words_are_cut_quietly_and_without_a_shared_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tmp")
    ran = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            "from retrieval.text import tokens; print(len(tokens('我要申请退货退款')))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"TMPDIR": str(folder), "PATH": "", "PYTHONPATH": "."},
    )
    assert int(ran.stdout) >= 3
    assert ran.stderr == ""
    assert list(folder.iterdir()) == []
