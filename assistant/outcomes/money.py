"""Minor units and major ones. Pure."""

from __future__ import annotations

from typing import Final

# Currencies without a minor unit (ISO 4217, exponent 0).
WHOLE: Final = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "UGX", "PYG", "RWF", "XAF", "XOF", "XPF"})


def major(minor: int, currency: str) -> float:
    """1250 EUR → 12.5, 300 JPY → 300.0."""
    return float(minor) if currency in WHOLE else minor / 100.0
