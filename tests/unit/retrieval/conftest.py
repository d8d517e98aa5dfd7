"""Makers of scripts and products, a small index over them, and small transformer models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval import encoders, parity, store
from retrieval.documents import Encoder, Product, Script
from retrieval.search import Retriever

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
            _write_model(kind, made[kind])
        return made[kind]

    return build


def _write_model(kind: str, folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast, XLMRobertaConfig

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(parity.texts(), trainers.BpeTrainer(vocab_size=900, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(str(folder))
    shape = {
        "vocab_size": 900, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96,
        "max_position_embeddings": 210, "pad_token_id": 1, "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(4)
    model = AutoModel.from_config(BertConfig(**shape) if kind == "bert" else XLMRobertaConfig(**shape))
    model.save_pretrained(str(folder))
    (folder / "1_Pooling").mkdir()
    kinds = ("Transformer", "Pooling", "Normalize")
    documents = {
        "modules.json": [
            {
                "idx": n,
                "name": str(n),
                "path": f"{n}_{name}" if n else "",
                "type": f"sentence_transformers.models.{name}",
            }
            for n, name in enumerate(kinds)
        ],
        "sentence_bert_config.json": {"max_seq_length": 200, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": 48, "pooling_mode_mean_tokens": True},
        "config_sentence_transformers.json": {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
