"""A tiny but complete model, trained on made-up conversations and purchases: seconds, no file from outside."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retrieval.encoders import load as load_encoder
from risk import train as training
from risk.artefact import Artefact
from risk.conversation import data as conversation_data
from risk.embeddings import CachedEncoder
from risk.registry import load_champion, promote
from risk.scorer import ChampionScorer, ServedState
from risk.types import Message

GOOD = ["thanks, that's great", "谢谢,太好了", "perfect, thank you", "好的,谢谢"]
PLAIN = ["where is my order?", "我的订单到哪了", "do you have it in blue?", "怎么修改地址"]
BAD = ["this is terrible, still broken", "太差了,又坏了", "you did not answer my question", "没人理我,太过分了"]


def write_conversations(path: Path, count: int = 40, seed: int = 3) -> Path:
    """Conversations whose turns are plainly good, plain or bad."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            messages = []
            for _ in range(draw.randint(2, 6)):
                level = draw.randrange(3)
                text = draw.choice((BAD, PLAIN, GOOD)[level])
                messages.append({"role": "customer", "text": text, "satisfaction": level})
                messages.append(
                    {"role": "agent", "text": draw.choice(["please wait", "抱歉,请稍等", "it is on its way"])}
                )
            file.write(json.dumps({"id": f"made-{number}", "language": "en", "messages": messages}) + "\n")
    return path


def write_transactions(path: Path, customers: int = 150, seed: int = 3) -> Path:
    """A year of orders: some customers buy monthly to the end, the others stop."""
    draw = random.Random(seed)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["CustomerID", "InvoiceNo", "InvoiceDate", "Quantity", "UnitPrice", "StockCode"])
        for customer in range(customers):
            loyal = draw.random() < 0.5
            day = draw.randint(0, 60)
            while day < (300 if loyal else draw.randint(60, 200)):
                when = (start + timedelta(days=day)).strftime("%Y-%m-%d %H:%M:%S")
                rows.writerow([customer, f"{customer}-{day}", when, draw.randint(1, 5), 9.5, f"P{draw.randint(1, 9)}"])
                day += draw.randint(15, 45)
    return path


@pytest.fixture(scope="session")
def conversations_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSONL of conversations."""
    return write_conversations(tmp_path_factory.mktemp("data") / "conversations.jsonl")


@pytest.fixture(scope="session")
def transactions_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of purchases."""
    return write_transactions(tmp_path_factory.mktemp("data") / "transactions.csv")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> CachedEncoder:
    """Character n-grams: instant and deterministic."""
    return CachedEncoder(load_encoder("hash"), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def artefact(conversations_file: Path, transactions_file: Path, encoder: CachedEncoder) -> Artefact:
    """Both branches, trained for real on the made-up data."""
    branches = [
        training.train_history(training.Histories.of_file(transactions_file, {}), 90, seed=5),
        training.train_conversations([conversations_file], encoder, seed=5),
    ]
    model = training.assemble("tiny", encoder.fingerprint, "hash", branches, None, 5)
    conversations = conversation_data.read([conversations_file])
    return training.with_shifts(model, conversations, encoder.lookup(m.text for c in conversations for m in c.messages))


@pytest.fixture
def registry_folder(artefact: Artefact, tmp_path: Path) -> Path:
    """A registry that holds the tiny model as its champion."""
    training.publish(artefact, tmp_path)
    promote(tmp_path, artefact.version)
    return tmp_path


@pytest.fixture(scope="session")
def scorer(artefact: Artefact, tmp_path_factory: pytest.TempPathFactory) -> ChampionScorer:
    """The tiny model, served."""
    folder = tmp_path_factory.mktemp("registry")
    return load_champion(training.publish(artefact, folder), encoder_fingerprint=artefact.encoder)


Play = Callable[..., list[ServedState]]


@pytest.fixture(scope="session")
def play(scorer: ChampionScorer) -> Play:
    """Plays texts through the tiny model ("> " marks a reply) and gives the state after each."""
    encode = load_encoder("hash").encode

    def run(*texts: str) -> list[ServedState]:
        states, state = [], scorer.initial()
        for text in texts:
            reply = text.startswith("> ")
            body = text[2:] if reply else text
            state = scorer.advance(state, encode([body])[0], Message("bot" if reply else "contact", body))
            states.append(state)
        return states

    return run
