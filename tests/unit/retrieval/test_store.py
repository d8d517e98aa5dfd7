"""Snapshots: immutable, verified, reused text by text, and never served when damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from retrieval import snapshot as snapshots
from retrieval import store
from retrieval.documents import Encoder, Script, Vector
from retrieval.errors import BadSnapshot, NoSnapshot
from retrieval.snapshot import Snapshot


class Counting:
    """An encoder that remembers what it was asked."""

    def __init__(self, inner: Encoder, fingerprint: str | None = None) -> None:
        self.inner, self.dim, self.fingerprint = inner, inner.dim, fingerprint or inner.fingerprint
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vector:
        self.seen.extend(texts)
        return self.inner.encode(texts)


def test_only_changed_texts_are_encoded_again(
    tmp_path: Path, playbook_scripts: list[Script], scripts_of, product_of, hashing
) -> None:
    encoder = Counting(hashing)
    products = [product_of(number) for number in range(5)]
    first = store.build(tmp_path, playbook_scripts, products, encoder)
    assert len(encoder.seen) == sum(counts["rows"] for counts in first.counts.values())
    encoder.seen.clear()
    assert store.build(tmp_path, playbook_scripts, products, encoder).name == first.name
    assert encoder.seen == []
    second = store.build(
        tmp_path, [*playbook_scripts, *scripts_of("new/one", ["brand new"], ["全新"])], products[1:], encoder
    )
    assert sorted(encoder.seen) == ["brand new", "全新"]
    assert second.name > first.name
    assert store.pointed(tmp_path) == second.name
    assert second.counts["product"]["documents"] == 4


def test_another_encoder_is_refused_and_builds_anew(tmp_path: Path, playbook_scripts: list[Script], hashing) -> None:
    built = store.build(tmp_path, playbook_scripts, [], hashing)
    with pytest.raises(BadSnapshot, match="made with encoder"):
        Snapshot.open(built.path, "other")
    with pytest.raises(NoSnapshot, match="made with encoder"):
        store.current(tmp_path, "other")
    other = Counting(hashing, "other")
    store.build(tmp_path, playbook_scripts, [], other)
    assert other.seen
    assert store.current(tmp_path, "other").snapshot.fingerprint == "other"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "add", "manifest"])
def test_a_damaged_snapshot_is_refused_and_the_one_before_serves(
    tmp_path: Path, playbook_scripts: list[Script], hashing, damage: str
) -> None:
    good = store.build(tmp_path, playbook_scripts[:4], [], hashing)
    newest = store.build(tmp_path, playbook_scripts, [], hashing)
    victim = newest.path / "script" / "vectors.faiss"
    content = bytearray(victim.read_bytes())
    if damage == "flip":
        content[-7] ^= 1
        victim.write_bytes(content)
    elif damage == "truncate":
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "remove":
        victim.unlink()
    elif damage == "add":
        (newest.path / "extra").write_text("x")
    else:
        (newest.path / "manifest.json").write_text("[]")
    with pytest.raises(BadSnapshot):
        Snapshot.open(newest.path, hashing.fingerprint)
    opened = store.current(tmp_path, hashing.fingerprint)
    assert opened.snapshot.name == good.name
    assert newest.name in opened.refused[0]
    # A build over the damage heals it, and the pointer follows.
    healed = store.build(tmp_path, playbook_scripts, [], hashing)
    assert store.current(tmp_path, hashing.fingerprint).snapshot.name == healed.name != newest.name


def test_a_lost_pointer_means_the_newest(tmp_path: Path, playbook_scripts: list[Script], hashing) -> None:
    store.build(tmp_path, playbook_scripts[:4], [], hashing)
    newest = store.build(tmp_path, playbook_scripts, [], hashing)
    (tmp_path / store.POINTER).write_bytes(b"\xff\xff")
    assert store.current(tmp_path, hashing.fingerprint).snapshot.name == newest.name
    (tmp_path / store.POINTER).unlink()
    assert store.current(tmp_path, hashing.fingerprint).snapshot.name == newest.name


def test_an_empty_folder_says_what_to_do(tmp_path: Path, hashing) -> None:
    with pytest.raises(NoSnapshot, match="staywell index build"):
        store.current(tmp_path / "nowhere", hashing.fingerprint)


def test_a_failed_build_leaves_nothing_and_the_old_one_serves(
    tmp_path: Path, playbook_scripts: list[Script], hashing
) -> None:
    before = store.build(tmp_path, playbook_scripts, [], hashing)
    with pytest.raises(ValueError, match="stands twice"):
        store.build(tmp_path, [*playbook_scripts, playbook_scripts[0]], [], hashing)
    assert store.pointed(tmp_path) == before.name
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".building")] == []


def test_few_old_snapshots_are_kept(tmp_path: Path, product_of, hashing) -> None:
    for count in range(1, 7):
        store.build(tmp_path, [], [product_of(number) for number in range(count)], hashing)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == store.KEEP


def test_progress_is_reported_to_the_end(tmp_path: Path, playbook_scripts: list[Script], hashing) -> None:
    calls: list[tuple[str, int, int]] = []
    store.build(tmp_path, playbook_scripts, [], hashing, lambda stage, done, total: calls.append((stage, done, total)))
    last = {stage: (done, total) for stage, done, total in calls}
    assert set(last) == {"script words", "script vectors", "script index"}
    assert all(done == total for done, total in last.values())


def test_two_builds_of_the_same_at_once_end_in_one(tmp_path: Path, playbook_scripts: list[Script], hashing) -> None:
    built = store.build(tmp_path / "a", playbook_scripts, [], hashing)
    for _ in range(2):
        path = snapshots.write(tmp_path / "b", built.name, playbook_scripts, [], hashing, {})
    assert Snapshot.open(path, hashing.fingerprint).name == built.name
    assert [one.name for one in (tmp_path / "b").iterdir()] == [built.name]
