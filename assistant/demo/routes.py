"""The demo shop's page and its little server side: products, customers to shop as, and the token a real shop would sign."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, HTMLResponse, Response
from joserfc import jwt
from joserfc.jwk import OctKey

from assistant.demo import data
from assistant.demo.seed import SITE_KEY
from assistant.errors import NotFound
from assistant.identity.sites import SiteDirectory
from retrieval.articles import passages
from retrieval.documents import Article

PAGE: Final = Path(str(files("assistant.demo") / "page"))
IDENTITY_S: Final = 240


def _page(article: Article) -> str:
    """A help page as HTML; its text is text."""
    parts = [f"<h1>{escape(article.title)}</h1>"]
    for passage in passages(article):
        if passage.heading:
            parts.append(f"<h2>{escape(passage.heading)}</h2>")
        parts.extend(f"<p>{escape(line)}</p>" for line in passage.text.splitlines())
    return (
        f'<!doctype html><html lang="{escape(article.locale)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(article.title)}</title>'
        f'<link rel="stylesheet" href="/shop.css"></head><body><main>{"".join(parts)}</main></body></html>'
    )


def build_router(sites: SiteDirectory, clock: Callable[[], int], origins: frozenset[str]) -> APIRouter:
    """`/`, `/demo/…`. Only in the demo: anyone who reaches it may shop as any of its customers."""
    router = APIRouter(include_in_schema=False)
    # The widget comes from the other loopback name; the shop's own policy must allow its loader and its frame.
    both = " ".join(sorted(origins))
    csp = (
        f"default-src 'none'; script-src 'self' {both}; style-src 'self'; img-src 'self' data: {both}; "
        f"connect-src 'self' {both}; frame-src {both}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @router.get("/")
    async def shop() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": csp, "Cache-Control": "no-cache"})

    @router.get("/shop.css")
    async def style() -> Response:
        return FileResponse(PAGE / "shop.css", headers={"Cache-Control": "no-cache"})

    @router.get("/shop.js")
    async def script() -> Response:
        return FileResponse(PAGE / "shop.js", headers={"Cache-Control": "no-cache"})

    @router.get("/help/{page}")
    async def help_page(page: str, locale: Annotated[str, Query(max_length=16)] = "en") -> Response:
        language = "zh" if locale.lower().startswith("zh") else "en"
        known = (one for one in data.load_articles() if (one.id, one.locale) == (page, language))
        article = next(known, None)
        if article is None:
            raise NotFound("no such help page")
        return HTMLResponse(_page(article), headers={"Content-Security-Policy": csp, "Cache-Control": "no-cache"})

    @router.get("/demo/products")
    async def products(locale: Annotated[str, Query(max_length=16)] = "en") -> dict[str, Any]:
        language = "zh" if locale.lower().startswith("zh") else "en"
        return {
            "shop": data.SHOP_NAME[language],
            "products": [
                {
                    "id": item.id,
                    "title": item.title,
                    "description": item.description,
                    "category": item.category,
                    "brand": item.brand,
                    "price": item.price,
                    "currency": item.currency,
                    "stock": item.stock,
                    "image": item.image,
                    "url": item.url,
                    "rating": item.rating,
                }
                for item in data.load_products()
                if item.locale == language
            ],
        }

    @router.get("/demo/customers")
    async def customers() -> dict[str, Any]:
        return {
            "customers": [
                {
                    "external_id": person.external_id,
                    "name": person.name,
                    "locale": person.locale,
                    "story": person.story,
                }
                for person in data.load_contacts(clock())
            ]
        }

    @router.get("/demo/identity")
    async def identity(customer: Annotated[str, Query(max_length=64)]) -> dict[str, str]:
        person = next((one for one in data.load_contacts(clock()) if one.external_id == customer), None)
        site = await sites.by_key(SITE_KEY)
        if person is None or not site.identity_secrets:
            raise NotFound("no such customer")
        now = clock() // 1000
        claims = {
            "sub": person.external_id,
            "name": person.name,
            "email": person.email,
            "locale": person.locale,
            "region": person.region,
            "aud": SITE_KEY,
            "iat": now,
            "exp": now + IDENTITY_S,
        }
        return {"jwt": jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(site.identity_secrets[0]))}

    return router
