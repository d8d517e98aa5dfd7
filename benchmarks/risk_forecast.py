"""Why foreseeing dissatisfaction is so much harder than seeing it: what carries the signal, and can text know it?

    python benchmarks/risk_forecast.py ../shared/data/conversations/jddc-train.jsonl.gz [--json]

The target: is one of the next three labelled customer turns dissatisfied? Ranked by three things:
`label_now` and `labels_so_far` look at the annotators' own labels of the turns up to now, which no live model can see: they
say how much of the target is a matter of the conversation (and of who annotated it). `text_so_far` is a logistic regression
on the characters of everything that was said up to now, out of fold by conversation: what text can know of it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from risk.conversation.data import DISSATISFIED, folds, read, upcoming
from risk.cues import normalise
from risk.metrics import auc, bootstrap

FOLDS, SEED = 5, 7


def _auc(scores: np.ndarray, y: np.ndarray, of: np.ndarray) -> dict[str, float | None]:
    return bootstrap(lambda i: auc(scores[i], y[i]), of).as_json()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conversations", type=Path)
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
    figures = {name: _auc(scores, y, of) for name, scores in ranked.items()}
    print(json.dumps(result | figures) if arguments.json else json.dumps(result | figures, indent=2))


if __name__ == "__main__":
    main()
