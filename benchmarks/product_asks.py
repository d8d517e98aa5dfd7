"""Whether customers who ask for a product are shown it: the messages of a fixture against the demo shop's catalogue.

    python -m benchmarks.product_asks

`right`: of those who ask for something that the shop has, how many see it first. `seen`: how many see it at all. `silent`: of
those who ask for what it has not, or not for that money, how many are shown nothing. Intervals: 95 %, bootstrap over messages.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assistant.demo import data
from assistant.turns.finder import Finder
from assistant.turns.wanted import Wanted
from retrieval import playbook, store
from retrieval.encoders import load
from retrieval.search import Retriever

ASKS = Path(__file__).parents[1] / "tests" / "fixtures" / "product_asks.jsonl"
SLOTS = frozenset({"product", "product_list"})
DRAWS = 2_000


class OneShop:
    """The demo's catalogue and playbook, for whoever asks."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    def for_site(self, site_id: str) -> Retriever:
        """The one there is."""
        return self._retriever

    def version(self, site_id: str) -> str:
        """A name for it."""
        return "demo"


async def shown(asks: Sequence[dict[str, Any]], folder: Path) -> list[list[str]]:
    """The ids of the products that each message is shown, best first."""
    encoder = load("use")
    scripts, _ = playbook.load(playbook.packaged())
    snapshot = store.build(folder, scripts, data.load_products(), encoder)
    finder = Finder(OneShop(Retriever(snapshot)), encoder, deadline_ms=60_000)
    found = []
    for ask in asks:
        wanted = Wanted(
            "demo",
            ask["text"],
            encoder.encode([ask["text"]])[0],
            ask["language"],
            None,
            "low",
            (),
            frozenset(),
            SLOTS,
            verified=False,
            has_order=False,
        )
        found.append([candidate.id for candidate in (await finder.find(wanted)).products])
    finder.close()
    return found


def rate(hits: Sequence[bool]) -> dict[str, float]:
    """The share of hits with its interval."""
    draws = np.random.default_rng(0).choice(np.asarray(hits, dtype=float), (DRAWS, len(hits))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"value": float(np.mean(hits)), "low": float(low), "high": float(high), "n": len(hits)}


def measure() -> dict[str, Any]:
    """Rates by split and language."""
    asks = [json.loads(line) for line in ASKS.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory(prefix="staywell-") as folder:
        found = asyncio.run(shown(asks, Path(folder)))
    answer: dict[str, Any] = {}
    for split in ("dev", "test"):
        for language in ("en", "zh"):
            own = [
                (ask["accept"], ids)
                for ask, ids in zip(asks, found, strict=True)
                if (ask["split"], ask["language"]) == (split, language)
            ]
            answer[f"{split}.{language}"] = {
                "right": rate([ids[:1] != [] and ids[0] in accept for accept, ids in own if accept]),
                "seen": rate([bool(set(ids) & set(accept)) for accept, ids in own if accept]),
                "silent": rate([not ids for accept, ids in own if not accept]),
            }
    answer["wrong"] = [
        {"text": ask["text"], "accept": ask["accept"], "shown": ids}
        for ask, ids in zip(asks, found, strict=True)
        if ask["split"] == "dev" and (ids[0] not in ask["accept"] if ids else bool(ask["accept"]))
    ]
    return answer


if __name__ == "__main__":
    print(json.dumps(measure(), ensure_ascii=False, indent=2))
