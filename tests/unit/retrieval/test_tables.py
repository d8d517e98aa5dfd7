"""Files of rows: a bad row costs itself alone, and a file that is none says so."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from retrieval.tables import MAX_ROW, read_rows


def rows(path: Path, content: bytes) -> list[tuple[int, object]]:
    path.write_bytes(content)
    return list(read_rows(path))


def test_json_lines_with_a_byte_order_mark_keep_their_first_row(tmp_path: Path) -> None:
    assert rows(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n') == [(1, {"a": 1}), (3, {"a": 2})]


def test_a_line_that_is_not_utf_8_costs_that_line(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n{"a": 3}\n')
    assert [line for line, row in found if isinstance(row, str)] == [2]
    assert found[2] == (3, {"a": 3})


def test_a_row_that_is_too_long_is_refused_and_a_chinese_one_is_not_longer_for_its_bytes(tmp_path: Path) -> None:
    long, fits = "x" * MAX_ROW, "好" * (MAX_ROW // 2)
    found = rows(tmp_path / "a.jsonl", f'{{"a": "{long}"}}\n{{"a": "{fits}"}}\n'.encode())
    assert "longer than" in str(found[0][1])
    assert found[1] == (2, {"a": fits})
    table = rows(tmp_path / "a.csv", f"a,b\n{long}x,1\n2,3\n".encode())
    assert isinstance(table[0][1], str)
    assert table[-1] == (3, {"a": "2", "b": "3"})


def test_lines_of_empty_cells_are_no_rows_and_headers_are_trimmed(tmp_path: Path) -> None:
    assert rows(tmp_path / "a.csv", b"\xef\xbb\xbf a ,b\n,\n 1 , \n") == [(3, {"a": " 1 "})]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 500)[:-9], "whole gzip"),
        ("a.jsonl.gz", gzip.compress(b"x" * 4000)[:12] + b"\xff" * 40, "whole gzip"),  # what zlib itself refuses
        ("a.csv", b'"a\n', "not CSV"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"a, a\n1,2\n", "same name"),
        ("a.csv", b"a\n\xff\n", "UTF-8"),
        ("a.json", b"{}", r"expected \.csv"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(ValueError, match=rf"{name}.*{words}"):
        rows(tmp_path / name, content)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.csv cannot be read"):
        list(read_rows(tmp_path / "nothing.csv"))
