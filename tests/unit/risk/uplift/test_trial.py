from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from risk.errors import DataRefused
from risk.uplift.trial import Arm, encode, read

TREATMENT, CONTROL = Arm("arm", "mail"), Arm("arm", "none")


def write(path: Path, n: int = 2000, *, extra: str = "") -> Path:
    """A trial with an honest feature, a place, an id, and columns that were recorded afterwards."""
    random = np.random.default_rng(0)
    lines = ["id,age,place,always,arm,bought,spend,receipt,code,visit"]
    for n_ in range(n):
        arm = ("mail", "none", "other")[n_ % 3]
        visit = int(random.random() < 0.2)
        bought = int(visit and random.random() < 0.3)
        age = "" if n_ % 50 == 0 else str(int(random.integers(18, 90)))
        lines.append(
            f"u{n_},{age},{'city' if random.random() < 0.5 else 'land'},1,{arm},{bought},{bought * 12.5},{'yes' if bought else 'no'},"
            f"{visit * 7 + 1},{visit}"
        )
    text = "\n".join(lines) + "\n" + extra
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_the_two_arms_are_read_and_what_came_later_is_left_out(tmp_path: Path, name: str) -> None:
    rows = read(write(tmp_path / name), treatment=TREATMENT, control=CONTROL, outcome="visit")
    assert len(rows) == 1334
    assert rows.treated.sum() == 667
    encoding = encode(rows)
    assert encoding.features == ["age", "place=city", "place=land"]
    assert encoding.dropped == {
        "id": "an identifier",
        "always": "constant",
        "bought": "recorded after the outcome",
        "spend": "recorded after the outcome",
        "receipt": "recorded after the outcome",
        "code": "recorded after the outcome",
    }
    x = encoding.matrix(rows)
    assert x.shape == (1334, 3)
    assert np.isfinite(x).all()


def test_a_condition_of_the_outcome_is_left_out_as_well(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "t.csv", 6000), treatment=TREATMENT, control=CONTROL, outcome="bought")
    assert {"visit", "spend", "receipt", "code"} <= encode(rows).dropped.keys()


def test_columns_can_be_dropped_by_name(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "t.csv"), treatment=TREATMENT, control=CONTROL, outcome="visit")
    assert encode(rows, ["age"]).dropped["age"] == "asked for"
    with pytest.raises(DataRefused, match="nope"):
        encode(rows, ["nope"])


def test_new_rows_are_encoded_as_the_training_rows_were(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "t.csv"), treatment=TREATMENT, control=CONTROL, outcome="visit")
    encoding = encode(rows)
    text = (tmp_path / "t.csv").read_text(encoding="utf-8").replace(",city,", ",moon,")
    (tmp_path / "new.csv").write_text(text, encoding="utf-8")
    new = encoding.matrix(read(tmp_path / "new.csv", treatment=TREATMENT, control=CONTROL, outcome="visit"))
    assert new[:, 1].sum() == 0
    (tmp_path / "odd.csv").write_text(text.replace("u1,", "u1,old ", 1), encoding="utf-8")
    with pytest.raises(DataRefused, match="words"):
        encoding.matrix(read(tmp_path / "odd.csv", treatment=TREATMENT, control=CONTROL, outcome="visit"))


@pytest.mark.parametrize(
    ("treatment", "control", "outcome", "says"),
    [
        (TREATMENT, TREATMENT, "visit", "same arm"),
        (Arm("branch", "x"), CONTROL, "visit", "no column 'branch'"),
        (TREATMENT, CONTROL, "luck", "no column 'luck'"),
        (TREATMENT, CONTROL, "place", "not a number"),
        (Arm("arm", "pigeon"), CONTROL, "visit", "0 rows of the treatment arm"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, treatment: Arm, control: Arm, outcome: str, says: str) -> None:
    with pytest.raises(DataRefused, match=says):
        read(write(tmp_path / "t.csv"), treatment=treatment, control=control, outcome=outcome)


def test_broken_files_and_arms(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(b"\x1f\x8bnot gzip at all")
    for path in (tmp_path / "t.csv.gz", tmp_path / "missing.csv"):
        with pytest.raises(DataRefused, match="cannot be read"):
            read(path, treatment=TREATMENT, control=CONTROL, outcome="visit")
    with pytest.raises(DataRefused, match="line 2002"):
        read(
            write(tmp_path / "n.csv", extra="x,1,city,1,mail,0,0,no,1,inf\n"),
            treatment=TREATMENT,
            control=CONTROL,
            outcome="visit",
        )
    for text in ("arm", "=x", "arm=", ""):
        with pytest.raises(DataRefused, match="COLUMN=VALUE"):
            Arm.parse(text)
    assert Arm.parse("segment=a=b") == Arm("segment", "a=b")
