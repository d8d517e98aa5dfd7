"""Transactions of any shop, read from CSV with a column mapping, as histories."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from risk.errors import DataRefused
from risk.types import History, OrderRecord, ReturnRecord

# field → column names that are taken without a mapping, tried in order, whatever their case
COLUMNS: dict[str, tuple[str, ...]] = {
    "customer": ("customer", "customerid", "customer_id", "customer id", "user_id"),
    "order": ("order", "invoiceno", "invoice", "order_id", "order_no"),
    "at": ("at", "invoicedate", "date", "timestamp", "order_date", "ordered_at"),
    "quantity": ("quantity", "qty", "units"),
    "price": ("price", "unitprice", "unit_price"),
    "amount": ("amount", "total", "value", "spend"),
    "product": ("product", "stockcode", "product_id", "sku"),
    "coupon": ("coupon", "voucher", "coupon_code"),
    "promised": ("promised", "promised_at"),
    "delivered": ("delivered", "delivered_at"),
}
_NO_COUPON = {"", "0", "false", "no", "none"}
_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S")


@dataclass(slots=True)
class _Basket:
    at: int
    total: float = 0.0
    quantity: float = 0.0
    products: set[str] = field(default_factory=set)
    coupon: bool = False
    promised_at: int | None = None
    delivered_at: int | None = None


def parse_mapping(text: str) -> dict[str, str]:
    """`customer=CustomerID,at=InvoiceDate` → {field: column}. Raises `DataRefused` on an unknown field."""
    mapping: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, found, column = part.partition("=")
        if not found or name not in COLUMNS or not column:
            raise DataRefused(f"--map takes field=Column pairs with fields {', '.join(COLUMNS)}; got {part!r}")
        mapping[name] = column
    return mapping


def _parse_time(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        for form in _FORMATS:
            try:
                when = datetime.strptime(text, form)  # noqa: DTZ007 (a zone is given below)
                break
            except ValueError:
                continue
        else:
            raise ValueError(
                f"{text!r} is no time that is understood: write 2025-03-31 or 2025-03-31 14:05:00"
            ) from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def _number(row: Mapping[str, str], name: str, missing: float) -> float:
    """Raises ValueError for anything but a finite number."""
    text = row.get(name) or missing
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is a number, not {text!r}")
    return value


def _columns(header: list[str], mapping: Mapping[str, str]) -> dict[str, int]:
    lower = {name.strip().lower(): i for i, name in enumerate(header)}
    places: dict[str, int] = {}
    for name, guesses in COLUMNS.items():
        wanted = (mapping[name].lower(),) if name in mapping else guesses
        place = next((lower[w] for w in wanted if w in lower), None)
        if place is None and name in mapping:
            raise DataRefused(f"no column {mapping[name]!r}; the file has {', '.join(header)}", line=1)
        if place is not None:
            places[name] = place
    for needed in ("customer", "at"):
        if needed not in places:
            raise DataRefused(f"no column for {needed!r}; name it with --map {needed}=Column", line=1)
    if "amount" not in places and not {"quantity", "price"} <= places.keys():
        raise DataRefused("no column for the amount; map amount, or quantity and price", line=1)
    return places


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    plain = path.suffix != ".gz"
    with (
        path.open(encoding="utf-8-sig", newline="")
        if plain
        else gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file
    ):
        yield file


def read(path: Path, mapping: Mapping[str, str], progress: Callable[[int], None] | None = None) -> dict[str, History]:
    """Customer → history. Lines without a customer are left out; cancellations (a `C` before the order number, or a
    negative amount) become returns. `coupon` (any text but 0, false, no, none), `promised` and `delivered` may be missing.

    Raises `DataRefused` with the line of the first bad row. Amounts are kept in hundredths of the file's unit. What
    happened is taken as known at once: such files carry no time of ingestion.
    """
    bought: dict[str, dict[str, _Basket]] = {}
    returned: dict[str, dict[str, _Basket]] = {}
    line = 0
    try:
        with _opened(path) as file:
            rows = csv.reader(file)
            header = next(rows, None)
            if header is None:
                raise DataRefused(f"{path.name} is empty")
            places = _columns(header, mapping)
            times: dict[str, int] = {}
            for line, row in enumerate(rows, start=2):
                get = {name: row[i].strip() if i < len(row) else "" for name, i in places.items()}
                if not get["customer"]:
                    continue
                stamp = get["at"]
                at = times.get(stamp)
                if at is None:
                    at = times[stamp] = _parse_time(stamp)
                quantity = _number(get, "quantity", 1)
                amount = _number(get, "amount", 0) if get.get("amount") else quantity * _number(get, "price", 0)
                order = get.get("order") or f"{get['customer']}@{stamp}"
                back = (order[:1].upper() == "C" and order[1:].isdigit()) or amount < 0 or quantity < 0
                baskets = (returned if back else bought).setdefault(get["customer"], {})
                basket = baskets.setdefault(order, _Basket(at))
                basket.total += abs(amount)
                basket.quantity += abs(quantity)
                basket.products.add(get.get("product", ""))
                basket.coupon |= get.get("coupon", "").lower() not in _NO_COUPON
                for name in ("promised", "delivered"):
                    if get.get(name):
                        setattr(basket, f"{name}_at", _parse_time(get[name]))
                if progress is not None and line % 20_000 == 0:
                    progress(line)
    except UnicodeDecodeError as broken:
        raise DataRefused(f"{path.name} is not UTF-8: save it as UTF-8 and try again") from broken
    except ValueError as broken:
        raise DataRefused(str(broken), line=line) from broken
    except (OSError, EOFError, zlib.error, csv.Error) as broken:
        raise DataRefused(f"cannot read {path.name}: {broken}") from broken
    if not bought:
        raise DataRefused("no purchase with a customer in the file")
    return {customer: _history(bought.get(customer, {}), returned.get(customer, {})) for customer in sorted(bought)}


def _history(bought: Mapping[str, _Basket], returned: Mapping[str, _Basket]) -> History:
    orders = [
        OrderRecord(
            order_no=order,
            ts_event=b.at,
            ts_ingested=b.at,
            total=round(b.total * 100),
            quantity=round(b.quantity),
            distinct_products=len(b.products),
            coupon=b.coupon,
            promised_at=b.promised_at,
            delivered_at=b.delivered_at,
        )
        for order, b in bought.items()
    ]
    returns = [ReturnRecord(order, b.at, b.at, round(b.total * 100)) for order, b in returned.items()]
    return History(
        orders=tuple(sorted(orders, key=lambda o: o.ts_event)), returns=tuple(sorted(returns, key=lambda r: r.ts_event))
    )
