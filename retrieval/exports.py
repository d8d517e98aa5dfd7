"""Product exports of shop systems, turned into rows of our catalogue. The layout is recognised by its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from retrieval.markup import plain_text

Row = tuple[int, dict[str, Any] | str]  # line, and the fields or why there are none
UNTRACKED = 1  # stock of what a shop sells without counting


def adapt(rows: Iterable[Row], columns: frozenset[str]) -> Iterator[Row]:
    """Rows of any known layout as rows of `catalogue.ProductRow`; rows in our own layout pass unchanged."""
    for needed, adapter in _LAYOUTS:
        if needed <= columns:
            return adapter(rows)
    return iter(rows)


def _shopify(rows: Iterable[Row]) -> Iterator[Row]:
    """Shopify's product CSV: rows of one handle are one product; later rows bring variants and images.

    Columns of both templates: help.shopify.com/manual/products/import-export/using-csv.
    """
    for line, group in _groups(rows, lambda row: _either(row, "Handle", "URL handle")):
        if isinstance(group, str):
            yield line, group
            continue
        first = group[0]
        if _either(first, "Status").lower() in {"draft", "archived"} or _either(
            first, "Published", "Published on online store"
        ).lower() in {"false", "0"}:
            continue
        prices = [price for row in group if (price := _either(row, "Variant Price", "Price"))]
        attributes = {}
        for number in ("1", "2", "3"):
            name = _either(first, f"Option{number} Name", f"Option{number} name")
            values = dict.fromkeys(_either(row, f"Option{number} Value", f"Option{number} value") for row in group)
            found = ", ".join(value for value in values if value)
            if name and found and name != "Title":
                attributes[name] = found
        yield (
            line,
            _filled(
                id=_either(first, "Handle", "URL handle"),
                title=_either(first, "Title"),
                description=plain_text(_either(first, "Body (HTML)", "Description")),
                category=_either(first, "Type") or _either(first, "Product Category", "Product category"),
                brand=_either(first, "Vendor"),
                attributes=attributes,
                price_major=_lowest(prices),
                stock=sum(_shopify_stock(row) for row in group),
                image=_either(first, "Image Src", "Product image URL"),
            ),
        )


def _shopify_stock(row: Mapping[str, str]) -> int:
    if not _either(row, "Variant Price", "Price"):
        return 0  # a row that only adds an image
    quantity = _either(row, "Variant Inventory Qty", "Inventory quantity")
    tracked = _either(row, "Variant Inventory Tracker", "Inventory tracker")
    goes_on = _either(row, "Variant Inventory Policy", "Continue selling when out of stock").lower() in {
        "continue",
        "true",
    }
    counted = _whole(quantity) if quantity else UNTRACKED
    return max(counted, UNTRACKED) if goes_on or not tracked else max(counted, 0)


def _woocommerce(rows: Iterable[Row]) -> Iterator[Row]:
    """WooCommerce's product CSV: a variable product is followed by its variations, which name it as their parent.

    Columns: github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema.
    """
    good: list[tuple[int, dict[str, str]]] = []
    for line, row in rows:
        if isinstance(row, str):
            yield line, row
        else:
            good.append((line, row))
    children: dict[str, list[dict[str, str]]] = {}
    for _, row in good:
        if row.get("Type", "").strip().startswith("variation"):
            children.setdefault(row.get("Parent", "").strip(), []).append(row)
    for line, row in good:
        kind = row.get("Type", "simple").strip()
        if kind.startswith("variation") or row.get("Published", "1").strip() not in {"1", ""}:
            continue
        if row.get("Visibility in catalog", "visible").strip() == "hidden":
            continue
        number, sku = row.get("ID", "").strip(), row.get("SKU", "").strip()
        variants = children.get(f"id:{number}", []) + (children.get(sku, []) if sku else [])
        priced = [_either(one, "Sale price") or _either(one, "Regular price") for one in (variants or [row])]
        categories = row.get("Categories", "").split(",")[0].strip()
        yield (
            line,
            _filled(
                id=sku or number,
                title=plain_text(row.get("Name", "")),
                description=plain_text(
                    f"{row.get('Short description', '')} {row.get('Description', '')}".replace("\\n", " ")
                ),
                category=categories,
                brand=_either(row, "Brands", "Brand"),
                attributes=_woocommerce_attributes(row),
                price_major=_lowest([price for price in priced if price]),
                stock=sum(_woocommerce_stock(one) for one in (variants or [row])),
                image=row.get("Images", "").split(",")[0].strip(),
                url=_either(row, "External URL"),
            ),
        )


def _woocommerce_attributes(row: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for number in range(1, 21):
        name, values = (
            row.get(f"Attribute {number} name", "").strip(),
            row.get(f"Attribute {number} value(s)", "").strip(),
        )
        if name and values:
            found[name] = values
    return found


def _woocommerce_stock(row: Mapping[str, str]) -> int:
    if row.get("In stock?", "1").strip().lower() == "0":
        return 0
    stock = row.get("Stock", "").strip()
    return (
        max(_whole(stock), 0 if row.get("Backorders allowed?", "0").strip() == "0" else UNTRACKED)
        if stock
        else UNTRACKED
    )


def _icecat(rows: Iterable[Row]) -> Iterator[Row]:
    """Open Icecat products as the Chorus project stores them: everything counts as in stock."""
    for line, row in rows:
        if isinstance(row, str):
            yield line, row
            continue
        yield (
            line,
            _filled(
                id=row.get("id"),
                title=row.get("title"),
                description=row.get("short_description") or "",
                brand=row.get("supplier") or "",
                attributes=row.get("attributes") or {},
                price=row.get("price") or 0,
                stock=UNTRACKED,
            ),
        )


_LAYOUTS: tuple[tuple[frozenset[str], Callable[[Iterable[Row]], Iterator[Row]]], ...] = (
    (frozenset({"Handle", "Title"}), _shopify),
    (frozenset({"URL handle", "Title"}), _shopify),
    (frozenset({"Type", "Name", "Regular price"}), _woocommerce),
    (frozenset({"short_description", "supplier"}), _icecat),
)


def _groups(
    rows: Iterable[Row], key: Callable[[Mapping[str, str]], str]
) -> Iterator[tuple[int, list[dict[str, str]] | str]]:
    """Neighbouring rows with one key, with the line of the first; unreadable rows by themselves."""
    start, group = 0, list[dict[str, str]]()
    for line, row in rows:
        if isinstance(row, str):
            yield line, row
        elif not key(row):
            yield line, "the handle is missing"
        elif group and key(row) == key(group[0]):
            group.append(row)
        else:
            if group:
                yield start, group
            start, group = line, [row]
    if group:
        yield start, group


def _either(row: Mapping[str, str], *names: str) -> str:
    return next((value.strip() for name in names if (value := row.get(name))), "")


def _filled(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value not in (None, "", {})}


def _lowest(prices: list[str]) -> str:
    def amount(text: str) -> float:
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return float("inf")

    return min(prices, key=amount) if prices else ""


def _whole(text: str) -> int:
    try:
        return int(float(text))
    except ValueError:
        return 0
