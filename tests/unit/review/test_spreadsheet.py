"""CSV that runs nothing when it is opened."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.review import spreadsheet

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")', "'=1"]


def parse(text: str) -> list[list[str]]:
    assert text.startswith(spreadsheet.MARK)
    return list(csv.reader(io.StringIO(text.removeprefix(spreadsheet.MARK), newline="")))


@pytest.mark.parametrize("value", DANGEROUS)
def test_a_formula_becomes_a_text(value: str) -> None:
    assert spreadsheet.neutralise(value) == f"'{value}"


@pytest.mark.parametrize("value", [-3, 2.5, True, None, "plain", "水壶", "a=b", ""])
def test_everything_else_stays(value: Any) -> None:
    assert spreadsheet.neutralise(value) == value


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
        min_size=1,
        max_size=5,
    )
)
def test_every_text_comes_back_as_it_was(values: list[str]) -> None:
    rows = parse("".join(spreadsheet.write([f"c{n}" for n in range(len(values))], [values])))
    assert [spreadsheet.restore(cell) for cell in rows[1]] == values
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in rows[1])


def test_lists_and_nothing_in_cells() -> None:
    assert parse("".join(spreadsheet.write(["a", "b", "c"], [[["price", "=x"], None, -0.5]]))) == [
        ["a", "b", "c"],
        ["price; =x", "", "-0.5"],
    ]
