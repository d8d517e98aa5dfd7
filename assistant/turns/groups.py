"""Where groups of customers stand with offers, for the shops that want their rates alike. Counted from the log, kept for seconds.

Counting takes longer than a decision may hold the writer, so it is done among the readers before, at most every `RENEWED_MS` a
site and process. What was seen is logged with the decision: it can be derived again although the counts have moved on.
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import Connection, case, func, select

from assistant.policy.fairness import Counts, FairnessRule, Standing, standing
from assistant.storage.engine import Storage
from assistant.storage.tables import decision
from assistant.turns.context import DAY_MS, Turn

log = structlog.get_logger()

RENEWED_MS: Final = 10_000


class Groups:
    """The counts of each site with a rule. One a process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, FairnessRule], tuple[int, Counts]] = {}

    async def standing(self, turn: Turn, storage: Storage, now: int) -> Standing | None:
        """Where the customer's group stands; None without a rule, or where the shop has not said which group it is."""
        site_id = turn.site["id"]
        try:
            rule = FairnessRule.from_settings(turn.site["settings"].get("fairness") or {})
        except (TypeError, ValueError, AttributeError) as error:
            log.warning("fairness_not_kept", site=site_id, error=str(error)[:200])
            return None
        group = (
            None if rule is None else rule.group_of({"region": turn.contact["region"], **turn.contact["attributes"]})
        )
        if rule is None or group is None:
            return None
        counted_at, found = self._kept.get((site_id, rule), (None, {}))
        if counted_at is None or not 0 <= now - counted_at < RENEWED_MS:
            found = await storage.read(lambda connection: counts(connection, site_id=site_id, rule=rule, now=now))
            self._kept = {key: kept for key, kept in self._kept.items() if key[0] != site_id}
            self._kept[site_id, rule] = (now, found)
        return standing(rule, group, found)


def counts(connection: Connection, *, site_id: str, rule: FairnessRule, now: int) -> dict[str, tuple[int, int]]:
    """Customers of each group who wrote within the rule's period, and those of them who were offered something."""
    group = decision.c.versions["group"].as_string()
    people = (
        select(group.label("name"), func.max(case((decision.c.kind == "offer", 1), else_=0)).label("offered"))
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision > now - rule.period_days * DAY_MS,
            group.startswith(f"{rule.by}=", autoescape=True),
        )
        .group_by(group, decision.c.customer_key)
        .subquery()
    )
    rows = connection.execute(
        select(people.c.name, func.count().label("wrote"), func.sum(people.c.offered).label("offered")).group_by(
            people.c.name
        )
    )
    return {row.name: (int(row.wrote), int(row.offered)) for row in rows}
