"""Why foreseeing dissatisfaction is so much harder than seeing it: what carries the signal, and can text know it?

    python benchmarks/risk_forecast.py ../shared/data/conversations/jddc-train.jsonl.gz [--model] [--json]

The target: is one of the next three labelled customer turns dissatisfied? Ranked by three things:
`label_now` and `labels_so_far` look at the annotators' own labels of the turns up to now, which no live model can see: they
say how much of the target is a matter of the conversation (and of who annotated it). `text_so_far` is a logistic regression
on the characters of everything that was said up to now, out of fold by conversation: what text can know of it.

`--model` adds what the conversation model (`--encoder`, a minute or two) makes of it, out of fold in both stages: `readout`, a
logistic readout of its readings now, one turn ago and smoothed, as it serves; `own_now` and `own_so_far`, its own estimate of
dissatisfaction now and the mean of all so far, in place of the annotators' labels; `own_history`, a readout of how these estimates
ran (mean, highest, lowest, last three, decayed, spread); `trees` over readings and history; `together`, the mean rank of `readout`,
`own_history` and `trees`. `over_readout`: differences to the first, paired over conversations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from retrieval.encoders import load
from risk.calibration import softmax
from risk.conversation import train as conversation_train
from risk.conversation.data import DISSATISFIED, Conversation, folds, read, upcoming
from risk.cues import normalise
from risk.embeddings import CachedEncoder
from risk.metrics import auc, bootstrap

FOLDS, SEED = 5, 7


DECAY = 0.8


def _ran(own: np.ndarray) -> list[float]:
    """How the estimates of dissatisfaction ran up to now, the last of which is of the present turn."""
    fading = DECAY ** np.arange(len(own) - 1, -1, -1)
    decayed = float((own * fading).sum() / fading.sum())
    return [own[-1], own.mean(), own.max(), own.min(), own[-3:].mean(), own[-3:].max(), decayed, own.std(), len(own)]


def _readout(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Logits of a strongly regularised logistic regression out of fold, against the base rate of the folds it learnt from."""
    found = np.zeros(len(y))
    for k in range(FOLDS):
        learn, held = fold != k, fold == k
        mean, scale = x[learn].mean(0), x[learn].std(0) + 1e-6
        model = LogisticRegression(C=0.01, max_iter=500).fit((x[learn] - mean) / scale, y[learn])
        found[held] = ((x[held] - mean) / scale) @ model.coef_[0]
    return found


def _trees(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    found = np.zeros(len(y))
    shape = {"objective": "binary", "learning_rate": 0.03, "num_leaves": 6, "min_data_in_leaf": 80, "lambda_l2": 20.0}
    drawn = {"feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "seed": SEED}
    for k in range(FOLDS):
        data = lgb.Dataset(x[fold != k], y[fold != k])
        booster = lgb.train({**shape, **drawn, "num_threads": 1, "verbosity": -1}, data, num_boost_round=120)
        found[fold == k] = booster.predict(x[fold == k], raw_score=True, num_threads=1)
    return found


def by_model(conversations: Sequence[Conversation], encoder: str, cache: Path) -> dict[str, Any]:
    """AUC of what the conversation model foresees, by several readouts of it."""
    texts = conversation_train.texts(conversations, conversation_train.DEFAULT, SEED)
    lookup = CachedEncoder(load(encoder), cache).lookup(texts)
    oof, _ = conversation_train.cross_validate(conversations, lookup, SEED)
    bad = softmax(oof.inputs[:, :3])[:, DISSATISFIED]
    first = np.r_[0, np.flatnonzero(np.diff(oof.group)) + 1]  # of each conversation
    start = np.repeat(first, np.diff(np.r_[first, len(bad)]))
    history = np.array([_ran(bad[begun : now + 1]) for now, begun in enumerate(start)])
    known = oof.ahead >= 0
    y, of, readings, ran = oof.ahead[known], oof.group[known], oof.inputs[known, :-1], history[known]
    fold = np.random.default_rng(SEED).permutation(int(oof.group.max()) + 1)[of] % FOLDS
    scores = {"readout": _readout(readings, y, fold), "own_now": ran[:, 0], "own_so_far": ran[:, 1]}
    scores["own_history"] = _readout(ran, y, fold)
    scores["trees"] = _trees(np.hstack([readings, ran]), y, fold)
    ranks = [np.argsort(np.argsort(scores[name])) for name in ("readout", "own_history", "trees")]
    scores["together"] = np.mean(ranks, axis=0)
    served = scores["readout"]

    def over(mine: np.ndarray) -> dict[str, float | None]:
        return bootstrap(lambda i: auc(mine[i], y[i]) - auc(served[i], y[i]), of).as_json()

    found: dict[str, Any] = {name: _auc(mine, y, of) for name, mine in scores.items()}
    found["over_readout"] = {name: over(mine) for name, mine in scores.items() if name != "readout"}
    return found


def _auc(scores: np.ndarray, y: np.ndarray, of: np.ndarray) -> dict[str, float | None]:
    return bootstrap(lambda i: auc(scores[i], y[i]), of).as_json()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conversations", type=Path)
    parser.add_argument("--model", action="store_true", help="what the conversation model makes of it, too")
    parser.add_argument("--encoder", default="use")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    conversations = read([arguments.conversations])
    now, past, texts, target, group = [], [], [], [], []
    for number, conversation in enumerate(conversations):
        seen: list[bool] = []
        said = ""
        coming = upcoming(conversation.levels)
        for message, level, ahead in zip(conversation.messages, conversation.levels, coming, strict=True):
            said += f" {message.role[0]}: {normalise(message.text)}"
            if level is None:
                continue
            seen.append(level == DISSATISFIED)
            if ahead is not None:
                now.append(float(seen[-1]))
                past.append((sum(seen) + 0.25) / (len(seen) + 1))  # shrunk, so that one label does not decide
                texts.append(said[-2000:])
                target.append(float(ahead))
                group.append(number)
    y, of = np.array(target), np.array(group)
    fold = np.array(folds(conversations, FOLDS, SEED))[of]
    known = np.zeros(len(y))
    for k in range(FOLDS):
        learn = np.flatnonzero(fold != k)
        reader = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=3, sublinear_tf=True)
        x = reader.fit_transform([texts[i] for i in learn])
        held = np.flatnonzero(fold == k)
        model = LogisticRegression(C=0.3, max_iter=300).fit(x, y[learn])
        # against the mean of the training folds, or folds with many positives would look worse for having few elsewhere
        known[held] = model.predict_proba(reader.transform([texts[i] for i in held]))[:, 1] - y[learn].mean()
    result = {"n": len(y), "base_rate": round(float(y.mean()), 4)}
    ranked = {"label_now": np.array(now), "labels_so_far": np.array(past), "text_so_far": known}
    figures: dict[str, Any] = {name: _auc(scores, y, of) for name, scores in ranked.items()}
    if arguments.model:
        figures["model"] = by_model(conversations, arguments.encoder, arguments.cache)
    print(json.dumps(result | figures) if arguments.json else json.dumps(result | figures, indent=2))


if __name__ == "__main__":
    main()
