"""The optional re-ranker of products: what is relevant, times what a search would show at all, learned from judged queries.

Judgements and clicks exist only for what some engine once showed. So two things are learned: the grade of a document that was
shown (relevance), and whether it was shown (exposure). Their product ranks the whole catalogue without mistaking "never shown"
for "bad" (compare the examination hypothesis of click models). Both are small gradient-boosted trees over `features.FEATURES`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import orjson
from numpy.typing import NDArray

from retrieval.documents import Vector
from retrieval.errors import BadSnapshot
from retrieval.features import FEATURES
from retrieval.fusion import Fusion

FORMAT = 1
SEEDS = (0, 1, 2)
TREES = 160
# Features of which more is never worse, and those of which more is never better, all else being equal. With a few dozen queries to
# learn from, that is worth knowing beforehand.
RISING = frozenset(
    {
        *("cosine", "centred_cosine", "bm25_head", "share_head", "bm25_all", "share_all", "bm25_title", "share_title"),
        *("words_in_title", "phrase_in_title", "described", "like_words", "like_fused"),
    }
)
FALLING = frozenset({"first_in_title", "phrase_rest"})
_SHARED: dict[str, Any] = {
    "num_leaves": 5,
    "learning_rate": 0.05,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "monotone_constraints": [(name in RISING) - (name in FALLING) for name in FEATURES],
    "verbose": -1,
}
_RELEVANCE = _SHARED | {"objective": "cross_entropy", "min_data_in_leaf": 30}
_EXPOSURE = _SHARED | {"objective": "binary", "min_data_in_leaf": 50}
MANIFEST = "manifest.json"
FOLDER = "ranking"  # beside the snapshots of a site, where a tuned re-ranker is looked for


@dataclass(frozen=True, slots=True)
class Judged:
    """The pool of one query: features [n, f], grades [n] in 0..1 (0 where unknown), and which documents were judged [n]."""

    features: NDArray[np.float64]
    grades: NDArray[np.float64]
    known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reranker:
    """A fitted re-ranker, the fusion tuned with it, and the encoder whose vectors it knows."""

    relevance: tuple[Any, ...]
    exposure: tuple[Any, ...]
    fusion: Fusion
    encoder: str
    queries: int

    def scores(self, features: NDArray[np.float64]) -> Vector:
        """Float32 [n] in [0, 1] for features [n, f]."""
        if not len(features):
            return np.empty(0, dtype=np.float32)
        relevant = np.mean([model.predict(features, num_threads=1) for model in self.relevance], axis=0)
        shown = np.mean([model.predict(features, num_threads=1) for model in self.exposure], axis=0)
        return np.asarray(np.sqrt(np.clip(relevant, 0, 1) * np.clip(shown, 0, 1)), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write text models and a manifest with their hashes into `folder`, in place of what was there."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".ranking-", dir=folder.parent) as name:
            aside = Path(name) / "ranking"
            aside.mkdir()
            files: dict[str, str] = {}
            for kind, models in (("relevance", self.relevance), ("exposure", self.exposure)):
                for number, model in enumerate(models):
                    content = model.model_to_string().encode()
                    (aside / f"{kind}-{number}.txt").write_bytes(content)
                    files[f"{kind}-{number}.txt"] = hashlib.sha256(content).hexdigest()
            manifest = {
                "format": FORMAT,
                "features": FEATURES,
                "encoder": self.encoder,
                "queries": self.queries,
                "fusion": {"method": self.fusion.method, "alpha": self.fusion.alpha, "head": self.fusion.head},
                "files": files,
            }
            (aside / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
            if folder.exists():
                folder.rename(Path(name) / "before")
            aside.rename(folder)


def load(folder: Path, fingerprint: str) -> Reranker:
    """Read a saved re-ranker. Raises `BadSnapshot` when it is damaged, of another format, or made for another encoder."""
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT or tuple(manifest["features"]) != FEATURES:
            raise BadSnapshot(f"{folder.name}: made by another version of the re-ranker: tune it again")
        if manifest["encoder"] != fingerprint:
            raise BadSnapshot(
                f"{folder.name}: made for encoder {manifest['encoder']}, not {fingerprint}: tune it again"
            )
        models: dict[str, list[Any]] = {"relevance": [], "exposure": []}
        for name, expected in sorted(manifest["files"].items()):
            content = (folder / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                raise BadSnapshot(f"{folder.name}: {name} is damaged")
            models[name.partition("-")[0]].append(lightgbm.Booster(model_str=content.decode()))
        fusion = Fusion(**manifest["fusion"])
        return Reranker(
            tuple(models["relevance"]), tuple(models["exposure"]), fusion, manifest["encoder"], manifest["queries"]
        )
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise BadSnapshot(f"{folder.name}: not a readable re-ranker") from fault


def fit(pools: Sequence[Judged], fusion: Fusion, encoder: str) -> Reranker:
    """Learn from judged queries. Raises ValueError when no judged document is better than the worst grade."""
    usable = [pool for pool in pools if pool.known.any()]
    if not any((pool.grades[pool.known] > 0).any() for pool in usable):
        raise ValueError("no judgement is above zero: nothing can be learned")
    everything = np.vstack([pool.features for pool in usable])
    grades = np.concatenate([pool.grades for pool in usable])
    known = np.concatenate([pool.known for pool in usable])
    relevance = tuple(_train(_RELEVANCE, everything[known], grades[known], seed) for seed in SEEDS)
    exposure = tuple(_train(_EXPOSURE, everything, known.astype(np.float64), seed) for seed in SEEDS)
    return Reranker(relevance, exposure, fusion, encoder, len(usable))


def _train(settings: dict[str, Any], features: NDArray[np.float64], targets: NDArray[np.float64], seed: int) -> Any:
    data = lightgbm.Dataset(features, targets, feature_name=list(FEATURES), free_raw_data=True)
    return lightgbm.train(settings | {"seed": seed}, data, num_boost_round=TREES)
