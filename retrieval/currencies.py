"""How many decimals the minor unit of a currency has (ISO 4217)."""

from __future__ import annotations

_DIGITS = {
    **dict.fromkeys(("JPY", "KRW", "VND", "CLP", "ISK", "UGX", "PYG", "RWF", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "KWD", "OMR", "TND", "JOD", "IQD", "LYD"), 3),
}


def exponent(currency: str) -> int:
    """Decimals of an amount in major units: 2 for EUR (1.00), 0 for JPY, 3 for KWD."""
    return _DIGITS.get(currency, 2)
