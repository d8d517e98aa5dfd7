"""What the shop's server may ask about one of its customers. Authorised by the site's API key alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from assistant.erasure.service import Privacy
from assistant.http import clean_text
from assistant.identity.sites import check_api_key

Authorization = Annotated[str, Header(max_length=300)]


class CustomerBody(BaseModel):
    """A customer, by the shop's own number."""

    model_config = ConfigDict(extra="forbid", strict=True)
    customer: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(clean_text)]


def build_router(privacy: Privacy) -> APIRouter:
    """`/api/shop/erase`, `/api/shop/dossier`, `/api/shop/logout`."""
    router = APIRouter(tags=["shop"])

    async def site_of(authorization: str) -> str:
        return await privacy.storage.read(lambda connection: check_api_key(connection, authorization))

    @router.post("/api/shop/erase")
    async def erase(body: CustomerBody, authorization: Authorization = "") -> dict[str, Any]:
        """Takes the customer out; what the log keeps names nobody."""
        site_id = await site_of(authorization)
        return (await privacy.erase(site_id, body.customer, actor=f"shop:{site_id}")).counts()

    @router.post("/api/shop/dossier")
    async def dossier(body: CustomerBody, authorization: Authorization = "") -> dict[str, Any]:
        """All that is kept of the customer."""
        site_id = await site_of(authorization)
        return await privacy.dossier(site_id, body.customer, actor=f"shop:{site_id}")

    @router.post("/api/shop/logout")
    async def log_out(body: CustomerBody, authorization: Authorization = "") -> dict[str, int]:
        """Closes the customer's chats at once, since they have logged out of the shop."""
        site_id = await site_of(authorization)
        return {"ended": await privacy.log_out(site_id, body.customer, actor=f"shop:{site_id}")}

    return router
