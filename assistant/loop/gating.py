"""A challenger before the gate: the log as files, both models over it, the verdict, and the verdict on file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from retrieval.documents import Encoder
from risk import artefact, gate, registry
from risk.dataset import evidence, files
from risk.dataset.split import split
from risk.embeddings import CachedEncoder
from risk.errors import ArtefactRefused

KEPT: Final = 5  # models kept that the gate has judged and that never served

Report = Callable[[str, int, int], None]


def verdict_path(folder: Path, version: str) -> Path:
    """Where the verdict on a model stands: beside its folder."""
    return folder / f"{version}.gate.json"


def judge(
    dataset: files.Dataset,
    folder: Path,
    version: str,
    encoder: Encoder,
    *,
    cache: Path,
    limits: gate.Limits | None = None,
    report: Report | None = None,
) -> gate.Verdict:
    """Puts `version` before the gate, against the champion, and files the verdict. Raises as `compare` does."""
    champion = registry.pointer(folder).champion
    verdict = compare(dataset, folder, champion, version, encoder, cache=cache, limits=limits, report=report)
    promised = promises(artefact.load(folder / version))
    content = {**verdict.as_json(), "training_set": dataset.name, "privacy": promised}
    verdict_path(folder, version).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return verdict


def compare(
    dataset: files.Dataset,
    folder: Path,
    before: str,
    version: str,
    encoder: Encoder,
    *,
    cache: Path,
    limits: gate.Limits | None = None,
    report: Report | None = None,
) -> gate.Verdict:
    """The gate's verdict on `version` in the place of `before`; nothing is filed.

    Judged on the later conversations of customers that no challenger is trained on. Raises `ArtefactRefused` for a model that
    cannot be loaded, `DataRefused` when nothing can be compared.
    """
    if version == before:
        raise ArtefactRefused(f"{version} is the champion: there is nothing to compare it with")
    champion = registry.load(folder / before, encoder_fingerprint=encoder.fingerprint)
    challenger = registry.load(folder / version, encoder_fingerprint=encoder.fingerprint)
    _, judged_by = split(dataset.cases)
    texts = [message.text for case in judged_by for message in case.conversation.messages]
    say = report or (lambda _stage, _done, _total: None)
    lookup = CachedEncoder(encoder, cache).lookup(texts, lambda done, total: say("encode", done, total))
    compared = evidence.compare(
        judged_by, champion, challenger, lookup, lambda done, total: say("compare", done, total)
    )
    reward = f"stayed_{dataset.sheet['horizon_days']}"
    return gate.gate(
        before,
        version,
        compared.evidence,
        evidence.judge(dataset, compared.bands, reward=reward),
        limits=limits,
    )


def training_sets(model: artefact.Artefact) -> list[str]:
    """Names of the training sets that a model's fusion learnt from; none for one that was trained on files."""
    learnt = model.data.get("fusion", {}).get("files", ())
    return sorted({str(one["name"]).partition("/")[0] for one in learnt if "/" in str(one["name"])})


def promises(model: artefact.Artefact) -> list[dict[str, float]]:
    """What a model promises to the people whom it has learnt from privately: ε and δ of each layer; they add up."""
    layers = model.data["conversations"].get("tuned", ())
    return [{"epsilon": one["epsilon"], "delta": one["delta"]} for one in layers if "epsilon" in one]


def verdict_of(folder: Path, version: str) -> dict[str, Any] | None:
    """The verdict on file; None where there is none."""
    try:
        found = json.loads(verdict_path(folder, version).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def prune(folder: Path, *, keep: int = KEPT) -> list[str]:
    """Removes models that went before the gate and never served, but the newest `keep`; their names.

    Kept are champion, challenger and the one that a roll-back leads to, every model that has served (decisions name it), the one
    that the product ships, and what nobody has put before the gate. The journal stays as it is.
    """
    names = registry.pointer(folder)
    moves = registry.journal(folder)
    served = {str(move.get("champion")) for move in moves} | {
        str(move.get("version")) for move in moves if move.get("what") == "canary"
    }
    kept = served | {names.champion, names.challenger, names.before, registry.shipped()}
    judged = [
        (verdict_path(folder, version).stat().st_mtime_ns, version)
        for version in registry.versions(folder)
        if version not in kept and verdict_path(folder, version).is_file()
    ]
    gone = [version for _, version in sorted(judged)[: max(0, len(judged) - keep)]]
    for version in gone:
        registry.remove(folder, version)
        verdict_path(folder, version).unlink(missing_ok=True)
    return gone


def may_serve(folder: Path, version: str) -> bool:
    """Whether `version` has passed the gate against the champion that serves now."""
    found = verdict_of(folder, version)
    return bool(found and found.get("passed") and found.get("champion") == registry.pointer(folder).champion)
