"""What the shop's own server tells us: outcomes that happened elsewhere. Authorised by the site's API key alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, select

from assistant.errors import StaywellError
from assistant.http import Clean
from assistant.identity.keys import customer_key
from assistant.identity.sites import check_api_key
from assistant.outcomes.store import record
from assistant.storage.engine import Storage
from assistant.storage.tables import outcome

MOST: int = 500
Code = Annotated[str, StringConstraints(min_length=1, max_length=120), Clean]


class OutcomeBody(BaseModel):
    """One outcome. `key` makes it idempotent; it is about a customer (the shop's number) or a decision."""

    model_config = ConfigDict(extra="forbid")
    key: Code
    type: Annotated[str, StringConstraints(max_length=32), Clean]
    customer: Annotated[str, StringConstraints(min_length=1, max_length=200), Clean] | None = None
    decision: Annotated[str, StringConstraints(max_length=26), Clean] | None = None
    value: float | None = None
    currency: Annotated[str, StringConstraints(max_length=3), Clean] | None = None
    ts_event: int


class OutcomesBody(BaseModel):
    """A batch of outcomes."""

    model_config = ConfigDict(extra="forbid")
    outcomes: Annotated[list[OutcomeBody], Field(min_length=1, max_length=MOST)]


def build_router(storage: Storage, clock: Callable[[], int], secret: bytes) -> APIRouter:
    """`POST /api/shop/outcomes`. `secret`: the installation's, for customer keys."""
    router = APIRouter(tags=["shop"])

    @router.post("/api/shop/outcomes")
    async def outcomes(
        body: OutcomesBody, authorization: Annotated[str, Header(max_length=300)] = ""
    ) -> dict[str, Any]:
        """Stores what is good, names what is not; sending the same again changes nothing."""
        return await storage.write(lambda connection: _store(connection, authorization, body, clock(), secret))

    return router


def _store(connection: Connection, authorization: str, body: OutcomesBody, now: int, secret: bytes) -> dict[str, Any]:
    site_id = check_api_key(connection, authorization)
    accepted = duplicates = 0
    rejected: list[dict[str, Any]] = []
    for index, one in enumerate(body.outcomes):
        key = f"shop:{one.key}"
        known = connection.execute(
            select(outcome.c.id).where(outcome.c.site_id == site_id, outcome.c.idempotency_key == key)
        ).first()
        try:
            record(
                connection,
                site_id=site_id,
                idempotency_key=key,
                type=one.type,
                source="shop",
                ts_event=one.ts_event,
                now=now,
                decision_id=one.decision,
                customer_key=customer_key(secret, site_id, one.customer) if one.customer else None,
                value=one.value,
                currency=one.currency,
            )
        except StaywellError as error:
            rejected.append({"index": index, "reason": error.reason, "message": str(error)})
            continue
        accepted += known is None
        duplicates += known is not None
    return {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
