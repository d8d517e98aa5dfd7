"""Makers of scripts and products, a small index over them, and small transformer models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval import encoders, store
from retrieval.documents import Encoder, Product, Script
from retrieval.search import Retriever
from tests.tools.tiny_model import write_model

MakeScripts = Callable[..., list[Script]]
MakeProduct = Callable[..., Product]


def make_scripts(family: str, english: list[str], chinese: list[str], **fields: Any) -> list[Script]:
    """One family in both locales."""
    shared: dict[str, Any] = {"intent": family.replace("/", "_"), "stage": "clarify", "approved_by": "qa", **fields}
    return [
        Script(
            id=f"{family}@{locale}",
            family=family,
            locale=locale,
            title=examples[0],
            text=f"text of {family}",
            examples=tuple(examples),
            **shared,
        )
        for locale, examples in (("en", english), ("zh", chinese))
    ]


def make_product(number: int, title: str = "", **fields: Any) -> Product:
    """A product in stock."""
    return Product(
        **{
            "id": f"p{number}",
            "locale": "en",
            "title": title or f"thing number {number}",
            "stock": 3,
            "price": 100,
            **fields,
        }
    )


@pytest.fixture(scope="session")
def scripts_of() -> MakeScripts:
    return make_scripts


@pytest.fixture(scope="session")
def product_of() -> MakeProduct:
    return make_product


@pytest.fixture(scope="session")
def hashing() -> Encoder:
    return encoders.load("hash")


@pytest.fixture(scope="session")
def use() -> Encoder:
    return encoders.load("use")


@pytest.fixture
def playbook_scripts() -> list[Script]:
    return [
        *make_scripts(
            "delivery/where",
            ["where is my parcel", "track my order"],
            ["我的包裹在哪里", "查一下物流"],
            reasons=("delivery",),
        ),
        *make_scripts(
            "price/match",
            ["too expensive", "cheaper elsewhere"],
            ["太贵了", "别家更便宜"],
            reasons=("price",),
            stage="compensate",
        ),
        *make_scripts(
            "account/delete",
            ["delete my account", "remove my data"],
            ["注销账号", "删除我的资料"],
            reasons=("account",),
        ),
        *make_scripts("greet/hello", ["hello", "good morning"], ["你好", "早上好"], stage="greet"),
    ]


@pytest.fixture
def retriever_of(tmp_path: Path) -> Callable[..., Retriever]:
    """A retriever over the given documents."""

    def build(scripts: list[Script], products: list[Product], encoder: Encoder | None) -> Retriever:
        return Retriever(store.build(tmp_path / "index", scripts, products, encoder))

    return build


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Small models of both families as sentence-transformers folders: weights drawn at random, a prompt, 200 tokens at most."""
    made: dict[str, Path] = {}

    def build(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            write_model(kind, made[kind])
        return made[kind]

    return build
