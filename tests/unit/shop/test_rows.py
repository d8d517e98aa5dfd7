from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from assistant.errors import BadInput, BadRow
from assistant.shop.rows import milliseconds, parse_map, read_rows, renamed


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_csv_rows_carry_their_line_and_drop_empty_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n1,\n"two\nlines",x\n3,4\n')
    assert list(read_rows(path)) == [(2, {"a": "1"}), (3, {"a": "two\nlines", "b": "x"}), (5, {"a": "3", "b": "4"})]


def test_a_bad_csv_row_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = list(read_rows(write(tmp_path / "a.csv", "a,b\n1,2,3\n4,5\n")))
    assert isinstance(rows[0][1], BadRow)
    assert rows[0][1].line == 2
    assert "3 fields" in str(rows[0][1])
    assert rows[1] == (3, {"a": "4", "b": "5"})


def test_jsonl_rows_gzipped_with_bad_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", gzip.compress('{"a": 1}\n\n[1]\n{"a": NaN}\n{"a": "好"}\n'.encode()))
    rows = list(read_rows(path))
    assert [line for line, _ in rows] == [1, 3, 4, 5]
    assert [isinstance(row, BadRow) for _, row in rows] == [False, True, True, False]
    assert rows[-1][1] == {"a": "好"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"a,b\n\xff\xfe,1\n", "not UTF-8"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"a,a\n1,2\n", "same name"),
        ("a.csv.gz", b"a,b\n1,2\n", "gzip"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-9], "gzip"),
        ("a.xlsx", b"", "expected .csv"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        list(read_rows(write(tmp_path / name, content)))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no file nothing\.csv"):
        list(read_rows(tmp_path / "nothing.csv"))


def test_the_map_renames_columns() -> None:
    mapping = parse_map("customer=CustomerID, order=InvoiceNo")
    assert renamed({"CustomerID": 1, "InvoiceNo": 2, "x": 3}, mapping) == {"customer": 1, "order": 2, "x": 3}
    with pytest.raises(BadInput, match="FIELD=COLUMN"):
        parse_map("customer")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2011-08-31T10:00:00Z", 1314784800000),
        ("2011-08-31 10:00:00", 1314784800000),
        ("2011-08-31T12:00:00+02:00", 1314784800000),
        ("8/31/2011 10:00", 1314784800000),
        (1314784800, 1314784800000),
        (1314784800000, 1314784800000),
        ("1314784800", 1314784800000),
        ("2011-08-31", 1314748800000),
    ],
)
def test_times_in_the_forms_that_shops_write(text: str | int, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize("text", ["yesterday", "", None, True, -5, 1e300, "31.08.2011"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several causes, all of them ValueErrors for pydantic
        milliseconds(text)
