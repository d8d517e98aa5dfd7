"""Only what was written is loaded: every kind of damage is refused before it is parsed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from risk import artefact as artefacts
from risk.artefact import CARD, HISTORY, MANIFEST, TENSORS, Artefact
from risk.errors import ArtefactRefused
from risk.registry import POINTER, bands_path, champion_folder, load_champion, promote


def _folder(registry: Path) -> Path:
    return champion_folder(registry)


def test_what_is_saved_is_loaded(artefact: Artefact, registry_folder: Path) -> None:
    loaded = artefacts.load(_folder(registry_folder), encoder=artefact.encoder)
    assert loaded.version == artefact.version == load_champion(registry_folder).version
    assert loaded.settings == json.loads(json.dumps(artefact.settings))
    assert all((loaded.tensors[name] == value).all() for name, value in artefact.tensors.items())


def test_saving_twice_gives_the_same_files(artefact: Artefact, tmp_path: Path) -> None:
    first = {p.name: p.read_bytes() for p in artefacts.save(artefact, tmp_path).iterdir()}
    second = {p.name: p.read_bytes() for p in artefacts.save(artefact, tmp_path).iterdir()}
    assert first == second
    assert [p.name for p in tmp_path.iterdir()] == [artefact.version]


@pytest.mark.parametrize("name", artefacts.FILES)
def test_a_changed_byte_is_refused(registry_folder: Path, name: str) -> None:
    path = _folder(registry_folder) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtefactRefused, match="hash"):
        load_champion(registry_folder)


@pytest.mark.parametrize("name", [*artefacts.FILES, MANIFEST])
def test_a_missing_or_truncated_file_is_refused(registry_folder: Path, name: str) -> None:
    path = _folder(registry_folder) / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtefactRefused):
        load_champion(registry_folder)
    path.unlink()
    with pytest.raises(ArtefactRefused):
        load_champion(registry_folder)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, ("exploded",))


def test_a_pickle_under_a_model_name_is_never_opened(registry_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(registry_folder)
    folder = _folder(registry_folder)
    bomb = pickle.dumps(_Bomb())
    (folder / TENSORS).write_bytes(bomb)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][TENSORS] = {"sha256": artefacts._sha256(bomb), "bytes": len(bomb)}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtefactRefused, match="pickle"):
        load_champion(registry_folder)
    assert not (registry_folder / "exploded").exists()


def test_a_file_that_no_manifest_lists_is_refused(registry_folder: Path) -> None:
    (_folder(registry_folder) / "extra.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(ArtefactRefused, match=r"extra\.pkl"):
        load_champion(registry_folder)


def test_another_encoder_is_refused(registry_folder: Path) -> None:
    with pytest.raises(ArtefactRefused, match="encoder"):
        load_champion(registry_folder, encoder_fingerprint="another")


def test_a_consistent_manifest_over_a_broken_history_model_is_refused(artefact: Artefact, tmp_path: Path) -> None:
    from dataclasses import replace

    from risk import train as training

    folder = training.publish(replace(artefact, history="tree\nversion=v4\nnonsense"), tmp_path)
    with pytest.raises(ArtefactRefused):
        load_champion(folder)


def test_missing_bands_are_refused_and_promotion_keeps_the_old_champion(registry_folder: Path) -> None:
    version = _folder(registry_folder).name
    with pytest.raises(ArtefactRefused):
        promote(registry_folder, "absent-000000000000")
    assert json.loads((registry_folder / POINTER).read_text())["champion"] == version
    bands_path(_folder(registry_folder)).unlink()
    with pytest.raises(ArtefactRefused, match="bands"):
        load_champion(registry_folder)


@pytest.mark.parametrize("named", ["../elsewhere", "/etc", "..", "", 7])
def test_the_pointer_cannot_lead_out_of_the_registry(registry_folder: Path, named: object) -> None:
    (registry_folder / POINTER).write_text(json.dumps({"champion": named}))
    with pytest.raises(ArtefactRefused):
        load_champion(registry_folder)


def test_the_card_says_what_a_reader_must_know(registry_folder: Path) -> None:
    card = (_folder(registry_folder) / CARD).read_text()
    for words in ("priors, not estimates", "weakly supervised", "Learnt from", "Limits"):
        assert words in card
    assert (_folder(registry_folder) / HISTORY).read_text().startswith("tree")
