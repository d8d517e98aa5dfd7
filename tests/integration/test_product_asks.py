"""Who asks the demo shop for a product sees it, in both languages; the figures of the docs come from the same command."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import product_asks


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return product_asks.measure()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_asks_for_a_product_sees_it(measured: dict[str, Any], language: str) -> None:
    for split in ("dev", "test"):
        rates = measured[f"{split}.{language}"]
        assert rates["right"]["n"] == 17
        assert rates["right"]["value"] >= 0.65
        assert rates["seen"]["value"] >= 0.8
        assert rates["silent"]["value"] >= 0.6
