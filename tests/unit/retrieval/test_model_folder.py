"""Model folders: one fingerprint for one content, a download once, and a clear refusal of what cannot be packed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval import model_folder
from retrieval.errors import EncoderMissing
from retrieval.kept import made_whole


@pytest.fixture
def copy(tiny: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny("bert"), tmp_path / "copy"))


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_a_fingerprint_is_of_what_makes_vectors(copy: Path) -> None:
    before = model_folder.fingerprint(copy)
    (copy / "README.md").write_text("words")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "model.json").write_text("{}")
    assert model_folder.fingerprint(copy) == before
    change(copy / "config_sentence_transformers.json", default_prompt_name=None)
    assert model_folder.fingerprint(copy) != before


def test_what_packing_must_know(copy: Path, tiny: Callable[[str], Path]) -> None:
    model = model_folder.packable(copy)
    assert (model.dim, model.first_position, model.limit, model.prefix) == (48, 0, 200, "query: ")
    assert model_folder.packable(tiny("xlm-roberta")).first_position == 2


@pytest.mark.parametrize(
    ("file", "values", "why"),
    [
        ("config.json", {"model_type": "gpt2"}, "BERT"),
        ("config.json", {"position_embedding_type": "relative_key"}, "BERT"),
        ("config.json", {"hidden_act": "relu"}, "relu"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "tokenizer"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "mean"),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}, "mean"),
        ("1_Pooling/config.json", {"include_prompt": False}, "mean"),
    ],
)
def test_what_cannot_be_packed_is_refused(copy: Path, file: str, values: dict[str, Any], why: str) -> None:
    change(copy / file, **values)
    with pytest.raises(EncoderMissing, match=rf"cannot be packed.*{why}"):
        model_folder.packable(copy)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderMissing, match="cannot be packed"):
        model_folder.packable(tmp_path)
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(EncoderMissing, match="not JSON"):
        model_folder.packable(tmp_path)


def test_a_download_is_kept_and_not_repeated(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = model_folder.sentence_transformer(str(tiny("bert")))
    asked: list[str] = []
    monkeypatch.setattr(model_folder, "sentence_transformer", lambda name: asked.append(name) or loaded)
    kept = model_folder.resolve("some/model", tmp_path)
    assert model_folder.resolve("some/model", tmp_path) == kept
    assert asked == ["some/model"]
    model = model_folder.packable(kept)
    assert (model.limit, model.prefix) == (200, "query: ")


def test_a_folder_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"

    def break_off() -> None:
        with made_whole(target) as scratch:
            (scratch / "file").write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        break_off()
    assert list(target.parent.iterdir()) == []
    for content in ("first", "second"):
        with made_whole(target) as scratch:
            (scratch / "file").write_text(content)
    assert (target / "file").read_text() == "first"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EncoderMissing, match=r"file/target cannot be written"),
        made_whole(tmp_path / "file" / "target"),
    ):
        pass
