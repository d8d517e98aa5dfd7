"""Which decision an outcome belongs to. Worked out when read, so that a better rule needs no rewriting of the log.

An outcome that names its decision belongs to it. One that only names the customer (a purchase that the shop reports) belongs to the
last decision before it that said something to this customer, within the window of its type: last touch, so that nothing is counted
twice. Corrected outcomes give way to the row that supersedes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, RowMapping, case, cast, func, or_, select

from assistant.storage.tables import decision, outcome

DAY_MS: Final = 86_400_000
# Days after a decision within which an outcome may be its doing. Types that are not listed must name their decision.
WINDOW_DAYS: Final = {"purchase": 30, "refund": 60, "complaint": 14, "return_visit": 30, "unsubscribed": 30, "click": 7}


def outcomes_of(connection: Connection, decision_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The outcomes of each decision, oldest first; every id is a key. Superseded rows stay in, marked by their correction."""
    found: dict[str, list[dict[str, Any]]] = {decision_id: [] for decision_id in decision_ids}
    for row in connection.execute(
        select(outcome).where(outcome.c.decision_id.in_(decision_ids)).order_by(outcome.c.id)
    ).mappings():
        found[row["decision_id"]].append(plain(row))
    for row in connection.execute(_last_touch(decision_ids)).mappings():
        belongs_to = row["belongs_to"]
        if belongs_to in found:
            found[belongs_to].append({name: value for name, value in plain(row).items() if name != "belongs_to"})
    for rows in found.values():
        rows.sort(key=lambda row: row["id"])
    return found


def plain(row: RowMapping) -> dict[str, Any]:
    """A row with plain strings for keys: SQLAlchemy marks the names that need quoting with a type of its own."""
    return {str(name): value for name, value in row.items()}


def _last_touch(decision_ids: Sequence[str]) -> Any:
    """Outcomes of the customers of these decisions that name none, each with the decision it belongs to."""
    window = case(
        *((outcome.c.type == kind, days * DAY_MS) for kind, days in WINDOW_DAYS.items()),
        else_=-1,
    )
    days = func.coalesce(cast(outcome.c.attribution_days, BigInteger) * DAY_MS, window)  # 25 days overflow an integer
    belongs_to = (
        select(decision.c.id)
        .where(
            decision.c.customer_key == outcome.c.customer_key,  # the key of one site: see below
            decision.c.kind != "none",
            decision.c.ts_decision <= outcome.c.ts_event,
            decision.c.ts_decision >= outcome.c.ts_event - days,
        )
        .order_by(decision.c.ts_decision.desc(), decision.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    # By the customer's key alone, and with a NULL that no index is asked for: SQLite, which keeps no statistics, would else read
    # all of the site's outcomes that name no decision, once for each batch.
    asked = select(decision.c.customer_key).where(decision.c.id.in_(decision_ids)).distinct().subquery()
    return (
        select(outcome, belongs_to.label("belongs_to"))
        .join(asked, asked.c.customer_key == outcome.c.customer_key)
        .where(
            func.coalesce(outcome.c.decision_id, "") == "",
            or_(outcome.c.attribution_days.is_not(None), outcome.c.type.in_(list(WINDOW_DAYS))),
        )
    )
