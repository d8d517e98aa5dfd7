"""Products from CSV and JSON lines, checked row by row: a bad row is reported with its line and never stops the good ones."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from retrieval import exports
from retrieval.currencies import exponent
from retrieval.documents import Product
from retrieval.errors import RowFault
from retrieval.markup import plain_text
from retrieval.tables import documents, read_rows
from retrieval.text import clean

MAX_FIELD = 20_000
# Currencies whose minor unit is not a hundredth (ISO 4217).

Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)]


class ProductRow(BaseModel):
    """One product as an importer takes it: `price` in minor units, or `price_major` as people write it ("1299.50")."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
    description: Annotated[str, StringConstraints(max_length=MAX_FIELD)] = ""
    category: Short = ""
    brand: Short = ""
    attributes: dict[str, str] = Field(default_factory=dict, max_length=200)
    price: int = Field(0, ge=0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "EUR"
    stock: int = 0
    regions: tuple[Short, ...] = ()
    image: Annotated[str, StringConstraints(max_length=2_000)] = ""
    url: Annotated[str, StringConstraints(max_length=2_000)] = ""
    rating: float | None = Field(None, ge=0, le=5, allow_inf_nan=False)
    return_rate: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)

    @field_validator("image", "url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://", "/")):
            raise ValueError("must be an http(s) address or a path on the shop")
        return value

    def product(self) -> Product:
        """The product, its texts cleaned of markup and hidden characters."""
        fields = self.model_dump()
        fields["description"] = plain_text(self.description) if "<" in self.description else self.description
        for name in ("title", "description", "category", "brand"):
            fields[name] = clean(fields[name], MAX_FIELD)
        fields["attributes"] = {clean(name, 200): clean(value, 2_000) for name, value in self.attributes.items()}
        return Product(**fields)


def load(path: Path, defaults: dict[str, Any] | None = None) -> tuple[list[Product], list[RowFault]]:
    """Products of all good rows of a `.csv` or `.jsonl` file (also `.gz`), and what is wrong with the others.

    `defaults` fill fields that a row leaves out (`locale`, `currency`, `stock`). CSV columns are the fields of `ProductRow`;
    `regions` and `attributes` stand as "DE|AT" and "colour=red|size=L"; `price_major` is understood in place of `price`.
    Exports of Shopify and WooCommerce are recognised by their columns. Raises ValueError when the file as a whole cannot be
    read.
    """
    rows = list(read_rows(path))
    columns = frozenset(name for _, fields in rows[:50] if isinstance(fields, dict) for name in fields)

    def make(fields: dict[str, Any]) -> Product:
        return ProductRow.model_validate({**(defaults or {}), **_native(fields)}).product()

    return documents(exports.adapt(rows, columns), make, path.name)


def minor_units(text: str, currency: str) -> int:
    """An amount as people write it ("1,299.50", "1.299,50 €") in minor units of its currency. Raises ValueError."""
    digits = "".join(sign for sign in text if sign.isdigit() or sign in ".,-")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        thousands, decimal = (",", ".") if point > comma else (".", ",")
        digits = digits.replace(thousands, "").replace(decimal, ".")
    elif comma >= 0:
        # A lone comma before three digits groups thousands, otherwise it is a decimal comma.
        digits = digits.replace(",", "" if len(digits) - comma == 4 else ".")
    try:
        amount = Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"price {text!r} is not an amount") from None
    if amount < 0:
        raise ValueError(f"price {text!r} is below zero")
    return int((amount * 10 ** exponent(currency)).to_integral_value())


def _native(fields: dict[str, Any]) -> dict[str, Any]:
    """CSV spellings in the types of `ProductRow`."""
    row = dict(fields)
    if "price_major" in row:
        row["price"] = minor_units(str(row.pop("price_major")), str(row.get("currency", "EUR")))
    if isinstance(row.get("regions"), str):
        row["regions"] = tuple(part.strip() for part in row["regions"].split("|") if part.strip())
    attributes = row.get("attributes")
    if isinstance(attributes, str):
        pairs = [part.partition("=") for part in attributes.split("|") if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise ValueError("attributes: expected name=value pairs, separated by |")
        row["attributes"] = {name.strip(): value.strip() for name, _, value in pairs}
    elif isinstance(attributes, dict):
        row["attributes"] = {str(name): _plain(value) for name, value in attributes.items() if value is not None}
    return row


def _plain(value: Any) -> str:
    """A JSON value as people write it: 43.0 → "43", true → "yes"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
