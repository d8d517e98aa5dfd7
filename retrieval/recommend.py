"""What a customer may want next, from what was bought before: the served model. numpy and LightGBM only.

Sources: the customer's own repeats, item-item similarity, implicit-feedback factors (Hu, Koren and Volinsky, ICDM 2008; the
customer is folded in at request time, so that today's order counts), and popularity as the floor. A small gradient-boosted model,
learned from what was bought next, weighs them.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection as Names
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import orjson
from numpy.typing import NDArray

from retrieval.errors import BadSnapshot

FORMAT = 1
FOLDER = "recommender"  # beside the snapshots of an index
MANIFEST = "manifest.json"
DAY_MS = 86_400_000
NEVER = 999.0  # days, for what did not happen
FEATURES = (
    "orders_with_it",
    "share_of_orders",
    "days_since_bought",
    "due",  # days since it was bought, in units of the customer's own usual gap for it; 0 before two purchases
    "similar",
    "factors",
    "popular_month",
    "popular_ever",
    "trend",
    "days_on_sale",
    "days_since_sold",
    "bought_again",  # share of its buyers who came back for it
    "orders",
    "days_since_order",
    "distinct_products",
)
POOL = 150  # products that each source may bring
WORTH_NAMING = 0.01  # share of the likeliest product's score below which a product is like any other
USED_UP_MS = 14 * DAY_MS  # what was bought since is still there
KNOWN_WELL, COME_BACK = (
    5,
    0.5,
)  # orders of a product, and share of its buyers who came back for it, that make it a consumable


@dataclass(frozen=True, slots=True)
class Purchase:
    """One product in one order."""

    product: str
    order: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of products at `as_of_ms`, from purchases before it. n products, f factors."""

    as_of_ms: int
    products: tuple[str, ...]
    factors: NDArray[np.float32]  # [n, f]
    confidence: float  # weight of one purchase in the factor model
    regularisation: float
    similar_starts: NDArray[np.int64]  # [n + 1], rows of a sparse matrix
    similar_to: NDArray[np.int32]
    similarity: NDArray[np.float32]
    month: NDArray[np.float32]  # [n] orders in the last 30 days
    quarter: NDArray[np.float32]  # [n] in the last 90
    ever: NDArray[np.float32]  # [n]
    first_ms: NDArray[np.int64]  # [n] first and last sale
    last_ms: NDArray[np.int64]
    again: NDArray[np.float32]  # [n]

    def index(self) -> dict[str, int]:
        """Position of each product."""
        return {name: number for number, name in enumerate(self.products)}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One customer's view of all products: features [n, len(FEATURES)], and the pool worth scoring."""

    features: NDArray[np.float32]
    pool: NDArray[np.int64]


def evidence(knowledge: Knowledge, index: Mapping[str, int], history: Iterable[Purchase], now_ms: int) -> Evidence:
    """Features of every product for a customer with this history; purchases after `now_ms` or of unknown products do not count."""
    orders_of: dict[int, dict[str, int]] = {}
    orders: dict[str, int] = {}
    for purchase in history:
        number = index.get(purchase.product)
        if number is None or purchase.at_ms >= now_ms:
            continue
        orders_of.setdefault(number, {})[purchase.order] = purchase.at_ms
        orders[purchase.order] = max(orders.get(purchase.order, 0), purchase.at_ms)
    count = len(knowledge.products)
    found = np.zeros((count, len(FEATURES)), dtype=np.float32)
    found[:, 2] = NEVER
    own = np.fromiter(orders_of, dtype=np.int64)
    bought = np.asarray([len(orders_of[number]) for number in own.tolist()], dtype=np.float32)
    ages = np.asarray(
        [(now_ms - max(orders_of[number].values())) / DAY_MS for number in own.tolist()], dtype=np.float32
    )
    firsts = np.asarray(
        [(now_ms - min(orders_of[number].values())) / DAY_MS for number in own.tolist()], dtype=np.float32
    )
    if len(own):
        found[own, 0] = bought
        found[own, 1] = bought / max(len(orders), 1)
        found[own, 2] = ages
        gaps = (firsts - ages) / np.maximum(bought - 1, 1)
        found[own, 3] = np.where(gaps > 0, ages / np.maximum(gaps, 1.0), 0.0)
        weights = np.log1p(bought) * np.exp(-ages / 90.0)
        found[:, 4] = _similar(knowledge, own, weights)
        found[:, 5] = knowledge.factors @ fold_in(knowledge, own, bought)
    found[:, 6] = np.log1p(knowledge.month)
    found[:, 7] = np.log1p(knowledge.ever)
    found[:, 8] = (knowledge.month + 1.0) / (knowledge.quarter / 3.0 + 1.0)
    found[:, 9] = (now_ms - knowledge.first_ms) / DAY_MS
    found[:, 10] = (now_ms - knowledge.last_ms) / DAY_MS
    found[:, 11] = knowledge.again
    found[:, 12] = len(orders)
    found[:, 13] = (now_ms - max(orders.values())) / DAY_MS if orders else NEVER
    found[:, 14] = len(own)
    brought = [own, *(np.argpartition(-found[:, column], min(POOL, count) - 1)[:POOL] for column in (4, 5, 6, 7))]
    return Evidence(found, np.unique(np.concatenate(brought)).astype(np.int64))


def fold_in(knowledge: Knowledge, own: NDArray[np.int64], bought: NDArray[np.float32]) -> NDArray[np.float32]:
    """The customer's factors [f]: (YᵀY + Yᵀ(C − I)Y + λI)⁻¹ YᵀC·1 over the products bought."""
    factors = knowledge.factors
    mine = factors[own]
    weights = knowledge.confidence * bought
    square = factors.T @ factors + (mine * np.maximum(weights - 1.0, 0.0)[:, None]).T @ mine
    square += knowledge.regularisation * np.eye(factors.shape[1], dtype=np.float32)
    return np.asarray(np.linalg.solve(square, mine.T @ weights), dtype=np.float32)


def _similar(knowledge: Knowledge, own: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    total = np.zeros(len(knowledge.products), dtype=np.float32)
    for number, weight in zip(own.tolist(), weights.tolist(), strict=True):
        start, end = knowledge.similar_starts[number : number + 2].tolist()
        total[knowledge.similar_to[start:end]] += weight * knowledge.similarity[start:end]
    return total


class Recommender:
    """Ranks products for a customer. Immutable and thread-safe."""

    def __init__(self, knowledge: Knowledge, model: Any) -> None:
        self.knowledge = knowledge
        self._model = model
        self._index = knowledge.index()

    def affinity(self, history: Sequence[Purchase], now_ms: int) -> NDArray[np.float32]:
        """Probability-like score of every product [n]; what no source brought keeps a trace of its popularity.

        For somebody without a known purchase it is popularity alone: the model has only ever seen customers with a past.
        """
        seen = evidence(self.knowledge, self._index, history, now_ms)
        popular = self.knowledge.ever / max(float(self.knowledge.ever.max()), 1.0)
        if not seen.features[:, 0].any():
            return popular.astype(np.float32)
        scores = (1e-6 * popular).astype(np.float32)
        scores[seen.pool] += self._model.predict(seen.features[seen.pool], num_threads=1).astype(np.float32)
        return scores

    def rank(
        self, history: Sequence[Purchase], now_ms: int, k: int, exclude: Names[str] = ()
    ) -> list[tuple[str, float]]:
        """The k products most likely bought next, with their scores. `exclude`: returned, complained about, sold out."""
        scores = self.affinity(history, now_ms)
        banned = [self._index[name] for name in exclude if name in self._index]
        scores[banned] = -1.0
        best = np.argsort(-scores, kind="stable")[: k + len(banned)]
        return [(self.knowledge.products[number], float(scores[number])) for number in best if scores[number] >= 0][:k]

    def own(self, history: Sequence[Purchase], now_ms: int) -> dict[str, float]:
        """How likely this customer buys each product next, as a share of the likeliest: for `SearchContext.own`.

        Empty for somebody without a known purchase, whom nothing tells from others.
        """
        if not any(purchase.product in self._index and purchase.at_ms < now_ms for purchase in history):
            return {}
        scores = self.affinity(history, now_ms)
        shares = scores / max(float(scores.max()), 1e-9)
        likely = np.flatnonzero(shares >= WORTH_NAMING)
        return {self.knowledge.products[number]: float(shares[number]) for number in likely}

    def repeatable(self, history: Sequence[Purchase], now_ms: int) -> set[str]:
        """What of their purchases this customer may be shown again: used up by now, and bought again by them or by most others."""
        orders: dict[str, set[str]] = {}
        last: dict[str, int] = {}
        for purchase in history:
            orders.setdefault(purchase.product, set()).add(purchase.order)
            last[purchase.product] = max(last.get(purchase.product, 0), purchase.at_ms)
        return {
            product
            for product, own in orders.items()
            if now_ms - last[product] >= USED_UP_MS and (len(own) >= 2 or self._consumable(product))
        }

    def _consumable(self, product: str) -> bool:
        number = self._index.get(product)
        if number is None:
            return False
        known = self.knowledge
        return float(known.ever[number]) >= KNOWN_WELL and float(known.again[number]) >= COME_BACK

    def save(self, folder: Path) -> None:
        """Write arrays, the text model and a manifest with their hashes into `folder`, in place of what was there."""
        known = self.knowledge
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".recommender-", dir=folder.parent) as name:
            aside = Path(name) / "recommender"
            aside.mkdir()
            arrays = {key: getattr(known, key) for key in _ARRAYS}
            np.savez(aside / "knowledge.npz", products=np.asarray(known.products, dtype=np.str_), **arrays)
            (aside / "model.txt").write_text(self._model.model_to_string(), encoding="utf-8")
            manifest = {
                "format": FORMAT,
                "features": FEATURES,
                "as_of_ms": known.as_of_ms,
                "confidence": known.confidence,
                "regularisation": known.regularisation,
                "files": {file: _hash(aside / file) for file in ("knowledge.npz", "model.txt")},
            }
            (aside / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
            if folder.exists():
                folder.rename(Path(name) / "before")
            aside.rename(folder)

    @classmethod
    def open(cls, folder: Path) -> Recommender:
        """Read what `save` wrote. Raises `BadSnapshot` when it is damaged or of another format."""
        try:
            manifest = orjson.loads((folder / MANIFEST).read_bytes())
            if manifest["format"] != FORMAT or tuple(manifest["features"]) != FEATURES:
                raise BadSnapshot(f"{folder.name}: made by another version of the recommender")
            for name, expected in manifest["files"].items():
                if _hash(folder / name) != expected:
                    raise BadSnapshot(f"{folder.name}: {name} is damaged")
            with np.load(folder / "knowledge.npz", allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in _ARRAYS}
                products = tuple(stored["products"].tolist())
            model = lightgbm.Booster(model_str=(folder / "model.txt").read_text(encoding="utf-8"))
            return cls(
                Knowledge(
                    as_of_ms=manifest["as_of_ms"],
                    products=products,
                    confidence=manifest["confidence"],
                    regularisation=manifest["regularisation"],
                    **arrays,
                ),
                model,
            )
        except (OSError, ValueError, TypeError, KeyError) as fault:
            raise BadSnapshot(f"{folder.name}: not a readable recommender") from fault


_ARRAYS = (
    "factors",
    "similar_starts",
    "similar_to",
    "similarity",
    "month",
    "quarter",
    "ever",
    "first_ms",
    "last_ms",
    "again",
)


def _hash(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
