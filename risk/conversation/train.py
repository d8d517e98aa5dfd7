"""Training of the conversation model: both readers, their check out of fold, calibration, the final ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from risk.calibration import fit_beta, softmax, temperature
from risk.conversation import lexical
from risk.conversation.anchors import ANCHORS
from risk.conversation.augment import all_copies
from risk.conversation.data import DISSATISFIED, NEUTRAL, SATISFIED, Conversation, folds
from risk.conversation.fit import WARM_UP, Encoded, fit
from risk.conversation.floors import Floors, fit_floors
from risk.conversation.guards import refuse_label_copies
from risk.conversation.habits import Floats, shares
from risk.conversation.knobs import Knobs
from risk.conversation.lexical import Lexical
from risk.conversation.mixing import centred
from risk.conversation.net import Net, export
from risk.conversation.readings import Readings, measure, targets
from risk.conversation.step import READOUT, Heads, readout, smooth, together
from risk.early_warning import thresholds
from risk.scale.shards import HERE, Place, run
from risk.text import TextState, observe
from risk.types import Message, Vector

FOLDS = 5
FOLD_MEMBERS = 1  # networks a fold: the final ensemble is a little better than what is measured
MEMBERS = 3
ANCHOR_WEIGHT = 0.3
COPY_WEIGHT = 0.5  # of a noisy copy
DEFAULT = Knobs()

Progress = Callable[[int, int], None]
Tick = Callable[[], None]
Record = Callable[[str, str, float, int], None]  # run, figure, value, step


@dataclass(frozen=True, slots=True)
class Prepared:
    """A conversation ready for both readers."""

    conversation: Conversation
    vectors: Vector  # [t, d]
    features: Vector  # [t, WIDTH]
    turns: list[lexical.Turn | None]  # what the linear reader sees at each message; None at replies
    weight: float = 1.0
    noisy: bool = False  # a copy: for the recurrent reader alone

    def read(self, model: Lexical) -> NDArray[np.float64]:
        """The linear reader's logits at each message for each habit, [t, habits, 3]; 0 at replies."""
        found = np.zeros((len(self.turns), len(model.prior), 3))
        for i, turn in enumerate(self.turns):
            if turn is not None:
                found[i] = model.by_habit(turn.grams, turn.features, turn.vector)
        return found

    def encoded(self, shares: Floats) -> Encoded:
        """Arrays for the recurrent reader; `shares` [HABITS] of the habits in this conversation's labels."""
        c = self.conversation
        levels = np.array([-1 if level is None else level for level in c.levels], dtype=np.int64)
        mean = float("nan") if c.mean is None else c.mean
        return Encoded(self.vectors, self.features, levels, mean, shares, self.weight)


def prepare(
    conversation: Conversation,
    lookup: Mapping[str, Vector],
    weight: float = 1.0,
    group: int = 0,
    *,
    noisy: bool = False,
) -> Prepared:
    """One conversation as arrays; `lookup` holds a vector for each of its texts, `group` numbers it."""
    state, rows = TextState(), []
    vectors = np.stack([lookup[m.text] for m in conversation.messages])
    for message in conversation.messages:
        state, features = observe(state, message)
        rows.append(features)
    turns = [
        lexical.Turn(message.text, features, vector, -1 if level is None else level, weight, group)
        if message.role == "contact"
        else None
        for message, features, vector, level in zip(
            conversation.messages, rows, vectors, conversation.levels, strict=True
        )
    ]
    return Prepared(conversation, vectors, np.stack(rows), turns, weight, noisy)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that a training reads, as arrays; the conversations numbered."""

    rows: list[Prepared]  # the conversations that have messages
    copies: list[list[Prepared]]  # of each: its noisy copies
    extra: list[Prepared]  # anchors: always in training, never measured

    @staticmethod
    def of(conversations: Sequence[Conversation], lookup: Mapping[str, Vector], knobs: Knobs, seed: int) -> Corpus:
        """`lookup` must hold all of `texts`."""
        used = [c for c in conversations if c.messages]
        rows = [prepare(c, lookup, 1.0, number) for number, c in enumerate(used)]
        made = [
            [prepare(copy, lookup, COPY_WEIGHT, number, noisy=True) for copy in found]
            for number, found in enumerate(all_copies(used, knobs.augment, seed))
        ]
        extra = [prepare(c, lookup, ANCHOR_WEIGHT, len(rows) + number) for number, c in enumerate(anchors())]
        return Corpus(rows, made, extra)

    def learnt(self, without: Callable[[int], bool] = lambda number: False) -> list[Prepared]:
        """What is learnt from when the numbered conversations are held out, with their copies."""
        kept = [number for number in range(len(self.rows)) if not without(number)]
        return [*(self.rows[n] for n in kept), *(c for n in kept for c in self.copies[n]), *self.extra]


def texts(conversations: Sequence[Conversation], knobs: Knobs, seed: int) -> list[str]:
    """All texts whose vectors a training needs."""
    made = [copy for found in all_copies(conversations, knobs.augment, seed) for copy in found]
    return [m.text for c in [*conversations, *made, *anchors()] for m in c.messages]


def labelled_turns(rows: Sequence[Prepared]) -> list[lexical.Turn]:
    """The turns that the linear reader learns from: noise in characters, which are all it has, makes it worse (see models.md)."""
    return [t for r in rows if not r.noisy for t in r.turns if t is not None and t.level >= 0]


def anchors() -> list[Conversation]:
    """The hand-written anchors as conversations of one message."""
    texts = [(level, language, text) for level, en, zh in ANCHORS for language, text in (("en", en), ("zh", zh))]
    return [
        Conversation(f"anchor-{i}", lang, (Message("contact", text),), (level,))
        for i, (level, lang, text) in enumerate(texts)
    ]


def unrecorded(run: str, figure: str, value: float, step: int) -> None:
    """A `Record` that keeps nothing."""


def fit_readers(
    rows: Sequence[Prepared], seeds: Sequence[int], knobs: Knobs, tick: Tick, record: Record, run: str
) -> tuple[Lexical, list[Net]]:
    """Both readers from the same rows: one linear, and a recurrent one for each seed."""
    turns = labelled_turns(rows)
    found = shares(turns, knobs)
    linear = lexical.fit(turns, found, knobs)
    tick()
    of_group = {turn.group: share for turn, share in zip(turns, found, strict=True)}
    group = [next((t.group for t in r.turns if t is not None), -1) for r in rows]
    encoded = [r.encoded(of_group.get(g, linear.prior)) for r, g in zip(rows, group, strict=True)]
    nets = []
    for member, seed in enumerate(seeds):
        steps = count()

        def after(stage: str, loss: float, member: int = member, steps: Iterator[int] = steps) -> None:
            record(f"{run}/net-{member}", f"loss/{stage}", loss, next(steps))
            tick()

        nets.append(fit(encoded, seed, knobs, after))
    return linear, nets


def predict(
    model: Lexical, nets: Sequence[Net], row: Prepared, net_share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """After each message: centred level logits of both readers together [t, 3], and the sentiment [t]."""
    vectors, features = torch.from_numpy(row.vectors)[None], torch.from_numpy(row.features)[None]
    with torch.no_grad():
        outs = [net(vectors, features) for net in nets]
    levels = centred(np.mean([o[0][0].numpy() for o in outs], axis=0))
    sentiment = np.asarray(np.mean([o[1][0].numpy() for o in outs], axis=0), dtype=np.float64)
    return together(levels, row.read(model), model.prior, net_share), sentiment


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """For every contact turn of a conversation with labels: what readers say that have not seen the conversation."""

    inputs: NDArray[np.float64]  # [n, READOUT + 1]: logits now, earlier, smoothed, sentiment, 1
    level: NDArray[np.int64]  # −1 where nobody labelled the turn
    ahead: NDArray[np.int64]  # −1 where nothing follows
    whole: NDArray[np.int64]  # the label of the whole at its last turn, else −1
    group: NDArray[np.int64]


def parts(conversations: Sequence[Conversation], seed: int) -> list[int]:
    """The fold of each conversation that has messages, as `out_of_fold` divides them."""
    return folds([c for c in conversations if c.messages], FOLDS, seed)


Curve = list[tuple[str, str, float, int]]  # what a `Record` is called with


@dataclass(frozen=True, slots=True)
class Fold:
    """What readers say of one fold's conversations, and the curves of their training."""

    inputs: list[NDArray[np.float64]]
    labels: list[tuple[int, int, int, int]]
    curves: Curve


def one_fold(shared: tuple[Sequence[Corpus], Sequence[int], Knobs, int], k: int, tick: Tick = lambda: None) -> Fold:
    """Readers that have not seen fold `k`, on its conversations; `shared`: corpora, the fold of each conversation, knobs, seed.

    The result follows from these alone, in whatever process it is computed (`risk.scale`).
    """
    corpora, fold, knobs, seed = shared
    corpus = corpora[k]
    found = Fold([], [], [])
    torch.set_num_threads(1)
    learnt = corpus.learnt(lambda number: fold[number] == k)
    seeds = [seed + k + 50 * m for m in range(FOLD_MEMBERS)]
    model, nets = fit_readers(learnt, seeds, knobs, tick, lambda *point: found.curves.append(point), f"fold-{k}")
    for number, (row, f) in enumerate(zip(corpus.rows, fold, strict=True)):
        if f != k or all(level is None for level in row.conversation.levels):
            continue
        logits, sentiment = predict(model, nets, row, knobs.net_share)
        wanted = targets(row.conversation)
        earlier: tuple[float, ...] = (0.0, 0.0, 0.0)
        smoothed: tuple[float, ...] = (0.0, 0.0, 0.0)
        for turn, i in enumerate(i for i, m in enumerate(row.conversation.messages) if m.role == "contact"):
            now = tuple(logits[i].tolist())
            smoothed = smooth(smoothed, now, turn == 0)
            found.inputs.append(readout(now, earlier, smoothed, float(sentiment[i])))
            found.labels.append((*wanted[i], number))
            earlier = now
    return found


def out_of_fold(
    corpora: Sequence[Corpus],
    knobs: Knobs,
    seed: int,
    tick: Tick,
    record: Record,
    place: Place = HERE,
    measured: Sequence[int] = range(FOLDS),
) -> OutOfFold:
    """Cross-validation by conversation, of the folds that are `measured`.

    `corpora` [FOLDS] are the same conversations as each fold's encoder reads them.
    """
    shared = (corpora, parts([r.conversation for r in corpora[0].rows], seed), knobs, seed)
    if place.here:
        with threadpool_limits(1):  # as workers have it: sums must come out alike
            found = [one_fold(shared, k, tick) for k in measured]
    else:
        found = run(place, one_fold, shared, measured, lambda done, total: tick(), name=lambda k: f"fold {k}")
    for point in (point for fold in found for point in fold.curves):
        record(*point)
    level, ahead, whole, group = np.array([label for fold in found for label in fold.labels], dtype=np.int64).T
    return OutOfFold(np.stack([row for fold in found for row in fold.inputs]), level, ahead, whole, group)


def _readout_weights(x: NDArray[np.float64], y: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Strongly regularised logistic readout, [classes, READOUT + 1]; for two classes one row."""
    from sklearn.linear_model import LogisticRegression

    rows = 1 if classes == 2 else classes
    weight = np.zeros((rows, READOUT + 1))
    present = np.unique(y)
    if len(present) < classes:  # a class that nobody gave: the prior alone, smoothed
        prior = (np.bincount(y, minlength=classes) + 1) / (len(y) + classes)
        weight[:, -1] = np.log(prior) if classes > 2 else np.log(prior[1] / prior[0])
        return weight
    mean, scale = x[:, :-1].mean(0), x[:, :-1].std(0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=500).fit((x[:, :-1] - mean) / scale, y)
    weight[:, :-1] = model.coef_ / scale
    weight[:, -1] = model.intercept_ - model.coef_ @ (mean / scale)
    return weight


def fit_heads(oof: OutOfFold, knobs: Knobs, keep: NDArray[np.bool_] | None = None) -> Heads:
    """Calibration and readouts from the predictions out of fold; `keep` leaves rows out, for nested measurement."""
    use = np.ones(len(oof.level), bool) if keep is None else keep
    known = use & (oof.level >= 0)
    logits, level = oof.inputs[known, :3], oof.level[known]
    neutral, satisfied = (max(1, int((level == c).sum())) for c in (NEUTRAL, SATISFIED))
    plain = Heads(
        temperature(logits, level),
        neutral / satisfied,
        (1.0, 1.0, 0.0),
        np.zeros(READOUT + 1),
        np.zeros((3, READOUT + 1)),
        knobs.net_share,
    )
    beta = fit_beta(plain.bad_score(logits), (level == DISSATISFIED).astype(float))
    ahead, whole = use & (oof.ahead >= 0), use & (oof.whole >= 0)
    none = np.zeros((3, READOUT + 1))
    return Heads(
        temperature=plain.temperature,
        ratio=plain.ratio,
        beta=beta,
        ahead_weight=_readout_weights(oof.inputs[ahead], oof.ahead[ahead], 2)[0] if ahead.any() else none[0],
        whole_weight=_readout_weights(oof.inputs[whole], oof.whole[whole], 3) if whole.any() else none,
        net_share=knobs.net_share,
    )


def read_out(oof: OutOfFold, knobs: Knobs, seed: int) -> Readings:
    """Readings out of fold of the readers, with heads that have not seen the conversation either (nested)."""
    fold = np.random.default_rng(seed).permutation(int(oof.group.max()) + 1) % FOLDS
    n = len(oof.level)
    levels, bad, ahead, whole = np.zeros((n, 3)), np.zeros(n), np.zeros(n), np.zeros((n, 3))
    for k in range(FOLDS):
        part = fold[oof.group] == k
        heads = fit_heads(oof, knobs, ~part)
        x = oof.inputs[part]
        levels[part] = softmax(x[:, :3] / heads.temperature)
        bad[part] = heads.dissatisfaction(x[:, :3])
        ahead[part] = x @ heads.ahead_weight
        whole[part] = softmax(x @ heads.whole_weight.T)
    return Readings.of_logits(levels, bad, ahead, whole, oof.level, oof.ahead, oof.whole, oof.group)


@dataclass(frozen=True, slots=True)
class TrainedConversation:
    """A trained ensemble, its calibration, and its figures out of fold."""

    lexical: Lexical
    members: list[dict[str, Vector]]
    heads: Heads
    floors: Floors
    alarms: dict[str, float]  # θ_α for early warning, from the readings out of fold
    base: float  # mean probability of dissatisfaction over labelled turns
    metrics: dict[str, Any]
    description: dict[str, Any]


def cross_validate(
    conversations: Sequence[Conversation],
    lookup: Mapping[str, Vector],
    seed: int,
    progress: Progress | None = None,
    knobs: Knobs = DEFAULT,
    record: Record = unrecorded,
    fold_lookups: Sequence[Mapping[str, Vector]] | None = None,
    place: Place = HERE,
    measured: Sequence[int] = range(FOLDS),
) -> tuple[OutOfFold, Readings]:
    """Predictions and readings out of fold, without the final fit. Folds are worked on wherever `place` says, with one result.

    `fold_lookups` [FOLDS] where the encoder itself learnt from labels: a fold's is by an encoder that has not seen the fold.
    """
    torch.set_num_threads(1)
    corpus = Corpus.of(conversations, lookup, knobs, seed)
    refuse_label_copies(labelled_turns(corpus.rows))
    corpora = [corpus] * FOLDS
    if fold_lookups is not None:
        corpora = [Corpus.of(conversations, own, knobs, seed) for own in fold_lookups]
    tick = _ticker(len(measured), FOLD_MEMBERS, corpus, knobs, progress) if place.here else _folds_done(progress)
    oof = out_of_fold(corpora, knobs, seed, tick, record, place, measured)
    return oof, read_out(oof, knobs, seed)


def _folds_done(progress: Progress | None) -> Tick:
    """Other processes tell when a fold is done, not when an epoch is."""
    steps = count()

    def tick() -> None:
        if progress is not None:
            progress(next(steps), FOLDS)

    return tick


def _ticker(fits: int, nets: int, corpus: Corpus, knobs: Knobs, progress: Progress | None) -> Tick:
    staged = any(r.conversation.mean is not None for r in corpus.rows)
    total = fits * (1 + nets * (knobs.epochs + (WARM_UP if staged else 0)))
    steps = count(1)

    def tick() -> None:
        done = next(steps)
        if progress is not None:
            progress(done, total)

    return tick


def train(
    conversations: Sequence[Conversation],
    lookup: Mapping[str, Vector],
    seed: int,
    progress: Progress | None = None,
    knobs: Knobs = DEFAULT,
    record: Record = unrecorded,
    fold_lookups: Sequence[Mapping[str, Vector]] | None = None,
    place: Place = HERE,
) -> TrainedConversation:
    """Cross-validate, then fit the readers on everything. `lookup` and each of `fold_lookups` must hold all of `texts`."""
    oof, readings = cross_validate(conversations, lookup, seed, progress, knobs, record, fold_lookups, place)
    corpus = Corpus.of(conversations, lookup, knobs, seed)
    seeds = [seed + 100 + m for m in range(MEMBERS)]
    tick = _ticker(1, MEMBERS, corpus, knobs, progress)
    linear, nets = fit_readers(corpus.learnt(), seeds, knobs, tick, record, "final")
    labelled = oof.level >= 0
    return TrainedConversation(
        lexical=linear,
        members=[export(net) for net in nets],
        heads=fit_heads(oof, knobs),
        floors=fit_floors(
            labelled_turns([*corpus.rows, *corpus.extra]), [c.level for c in conversations if c.level is not None]
        ),
        alarms=thresholds(readings, seed),
        base=float((oof.level[labelled] == DISSATISFIED).mean()),
        metrics={**measure(readings, seed=seed), "turns_only": measure(readings.turns_only(), seed=seed)},
        description={
            "conversations": len(conversations),
            "labelled_turns": int(labelled.sum()),
            "closing_ratings": int((oof.whole >= 0).sum()),
            "knobs": knobs.as_json(),
            "languages": sorted({c.language for c in conversations}),
            "split": f"{FOLDS} folds by conversation (clones and translations of one original together); "
            f"an ensemble of {MEMBERS} is then fitted on all",
        },
    )
