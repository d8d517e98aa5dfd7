"""Training of an artefact: both branches, the reason heads, calibration, bands, the card. Seeded and repeatable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from risk import artefact, card, reasons
from risk.artefact import Artefact
from risk.bands import Bands
from risk.calibration import logit, sigmoid
from risk.cold_start import ColdStart
from risk.conversation import data as conversation_data
from risk.conversation import lora
from risk.conversation.knobs import OTHER_FOLDS, Knobs
from risk.conversation.lora import Adaptation
from risk.conversation.readings import Readings
from risk.embeddings import CachedEncoder
from risk.errors import DataRefused, ExtraMissing
from risk.history import train as history_train
from risk.history import transactions
from risk.registry import bands_path
from risk.runs import recording
from risk.scale.shards import HERE, Place
from risk.scorer import ChampionScorer
from risk.types import History, Vector

SEED = 20260901
# Shares of customers' turns that reach a band: what a service team can look at, not a property of the model.
ELEVATED_SHARE, HIGH_SHARE = 0.30, 0.10
EVEN_ODDS = 0.5
LEAST_CONVERSATIONS = 10  # with labelled messages: each fold has two then
CONVERSATION_PARTS = ("conversation.", "heads.", "lexical.", "floor.", "reasons.")

Report = Callable[[str, int, int], None]  # stage, done, total


def silent(stage: str, done: int, total: int) -> None:
    """A `Report` that says nothing."""


def described(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Name and hash of each file: what a model learnt from, without a path of this machine."""
    return [{"name": p.name, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()} for p in paths]


@dataclass(frozen=True, slots=True)
class Branch:
    """One trained branch, ready to be put into an artefact."""

    tensors: dict[str, Any]
    settings: dict[str, Any]
    metrics: dict[str, Any]
    data: dict[str, Any]
    history: str | None = None
    lexicon: tuple[str, ...] | None = None


def _conversation_training() -> Any:
    """The module that needs torch and scikit-learn, imported only when it is used."""
    try:
        from risk.conversation import train as conversation_train
    except ImportError as missing:
        hint = "pip install 'staywell[train]' (torch first, its CPU build is enough)"
        raise ExtraMissing(f"training needs an extra: {hint}") from missing
    return conversation_train


def _labelled(paths: Sequence[Path]) -> list[conversation_data.Conversation]:
    """Conversations that something can be learnt from. Raises `DataRefused`."""
    conversations = conversation_data.read(paths)
    found = [{level for level in c.levels if level is not None} for c in conversations]
    several, levels = sum(map(bool, found)), set[int]().union(*found)
    if not levels:
        raise DataRefused("no message carries `satisfaction`: there is nothing to learn from")
    if several < LEAST_CONVERSATIONS:
        raise DataRefused(
            f"{several} conversations with labelled messages are too few to learn from: it takes {LEAST_CONVERSATIONS}"
        )
    if len(levels) < 2:
        raise DataRefused(
            f"every labelled message has the same `satisfaction`, {levels.pop()}: there is nothing to tell apart"
        )
    return conversations


@dataclass(frozen=True, slots=True)
class Options:
    """How the conversation model is trained, beyond its data and its seed."""

    augment: int = 0  # noisy copies of each labelled conversation
    search: int = 0  # trials of other knobs first
    tensorboard: Path | None = None  # where curves are written
    adapted_from: Path | None = (
        None  # the encoder was adapted on these data from this folder: each fold needs one of its own
    )
    adaptation: Adaptation = field(default_factory=Adaptation)
    place: Place = HERE  # where folds and trials are worked on


def adapt_encoder(
    paths: Sequence[Path], source: Path, target: Path, seed: int, report: Report, chosen: Adaptation
) -> None:
    """An encoder adapted to the labelled turns of these files, as a new folder. Raises as `lora.adapt` does."""
    turns = lora.labelled(_labelled(paths))
    lora.adapt(source, turns, target, seed, chosen, lambda done, total: report("adapt the encoder", done, total))


def _fold_lookups(
    conversations: Sequence[conversation_data.Conversation],
    options: Options,
    texts: Sequence[str],
    seed: int,
    report: Report,
) -> list[Mapping[str, Vector]] | None:
    if options.adapted_from is None:
        return None
    used = [c for c in conversations if c.messages]
    fold = _conversation_training().parts(used, seed)
    return lora.fold_lookups(options.adapted_from, used, fold, texts, seed, options.adaptation, report)


def cross_validate(
    paths: Sequence[Path],
    encoder: CachedEncoder,
    seed: int = SEED,
    report: Report = silent,
    options: Options | None = None,
) -> Readings:
    """Readings out of fold of a conversation model trained on these files. Raises `DataRefused`, `ExtraMissing`."""
    conversation_train = _conversation_training()
    chosen = options or Options()
    conversations = _labelled(paths)
    knobs = Knobs(augment=chosen.augment)
    texts = conversation_train.texts(conversations, knobs, seed)
    lookup = encoder.lookup(texts, lambda done, total: report("encode", done, total))
    _, readings = conversation_train.cross_validate(
        conversations,
        lookup,
        seed,
        lambda done, total: report("cross-validation", done, total),
        knobs,
        fold_lookups=_fold_lookups(conversations, chosen, texts, seed, report),
        place=chosen.place,
    )
    return cast(Readings, readings)


def train_conversations(
    paths: Sequence[Path],
    encoder: CachedEncoder,
    seed: int = SEED,
    report: Report = silent,
    options: Options | None = None,
) -> Branch:
    """The conversation model and the reason heads from JSONL files. Raises `DataRefused`, `ExtraMissing`."""
    conversation_train = _conversation_training()
    chosen = options or Options()
    conversations = _labelled(paths)
    knobs = Knobs(augment=chosen.augment)
    needed = [*conversation_train.texts(conversations, knobs, seed), *reasons.texts()]
    if chosen.search:
        needed += conversation_train.texts(conversations, knobs, seed + OTHER_FOLDS)
    lookup = encoder.lookup(needed, lambda done, total: report("encode", done, total))
    with recording(chosen.tensorboard) as record:
        tried: list[dict[str, Any]] = []
        if chosen.search:
            from risk.conversation.search import search

            knobs, tried = search(
                conversations,
                lookup,
                chosen.search,
                seed,
                knobs,
                lambda done, total: report("search", done, total),
                record,
                chosen.place,
            )
        trained = conversation_train.train(
            conversations,
            lookup,
            seed,
            lambda done, total: report("conversation model", done, total),
            knobs,
            record,
            _fold_lookups(conversations, chosen, needed, seed, report),
            chosen.place,
        )
    own = [m.text for c in conversations for m in c.messages if m.role == "contact"]
    report("reason heads", 0, 1)
    head, reason_figures = reasons.train(own, lookup, seed)
    report("reason heads", 1, 1)
    heads = trained.heads
    tensors: dict[str, Any] = {"reasons.weight": head.weight, "reasons.bias": head.bias}
    tensors |= {"heads.ahead_weight": heads.ahead_weight, "heads.whole_weight": heads.whole_weight}
    tensors |= {f"lexical.{part}": value for part, value in trained.lexical.tensors().items()}
    tensors |= {f"floor.{part}": value for part, value in trained.floors.tensors().items()}
    for m, member in enumerate(trained.members):
        tensors.update({f"conversation.{m}.{part}": value for part, value in member.items()})
    settings = {
        "members": len(trained.members),
        "heads": {
            "temperature": heads.temperature,
            "ratio": heads.ratio,
            "beta": list(heads.beta),
            "net_share": heads.net_share,
        },
        "cold_start": replace(ColdStart(), base=trained.base).as_json(),
        "alarms": trained.alarms,
    }
    metrics = {"conversations": trained.metrics, "reasons": reason_figures}
    extra: dict[str, Any] = {"search": tried} if tried else {}
    if chosen.adapted_from is not None:
        extra["adapted_encoder"] = asdict(chosen.adaptation)
    description = {"conversations": {"files": described(paths), **trained.description, **extra}}
    return Branch(tensors, settings, metrics, description, lexicon=trained.lexical.vocabulary)


@dataclass(frozen=True, slots=True)
class Histories:
    """Customers' histories, and what they were read from."""

    by_customer: Mapping[str, History]
    sources: list[dict[str, str]]  # name and hash of each

    @staticmethod
    def of_file(path: Path, mapping: Mapping[str, str]) -> Histories:
        """From a file of transactions. Raises `DataRefused`."""
        return Histories(transactions.read(path, mapping), described([path]))

    @staticmethod
    def of_log(name: str, by_customer: Mapping[str, History]) -> Histories:
        """From a shop's log. Raises `DataRefused` when nobody has bought anything."""
        if not by_customer:
            raise DataRefused(f"the log of {name} holds no purchase")
        content = "".join(f"{customer}:{history}\n" for customer, history in by_customer.items())
        sha256 = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        return Histories(by_customer, [{"name": f"log of {name}", "sha256": sha256}])


def train_history(histories: Histories, horizon_days: int, seed: int = SEED, report: Report = silent) -> Branch:
    """The history model. Raises `DataRefused`."""
    trained = history_train.train(
        histories.by_customer, horizon_days, seed, lambda done, total: report("history model", done, total)
    )
    tensors = {f"history.{part}": value for part, value in trained.curve.tensors().items()}
    tensors["history.population"] = np.quantile(trained.population, np.linspace(0.005, 0.995, 100))
    settings = {"base_rate": trained.base_rate, "base_interval": list(trained.base_interval)}
    description = {"history": {"files": histories.sources, **trained.description}}
    return Branch(tensors, settings, {"history": trained.metrics}, description, trained.booster)


def assemble(
    name: str, encoder: str, encoder_name: str, branches: Sequence[Branch], base: Artefact | None, seed: int
) -> Artefact:
    """An artefact of the given branches; what they do not bring is taken over from `base`, made with the same encoder."""
    tensors: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    data: dict[str, Any] = {}
    history, lexicon = "", tuple[str, ...]()
    if base is not None:
        brings_conversations = any("conversations" in b.data for b in branches)
        if base.encoder != encoder and not brings_conversations:
            raise DataRefused("the model to take the conversation branch from was trained with another encoder")
        base = base.without_fusion()
        tensors, settings, metrics, data = dict(base.tensors), dict(base.settings), dict(base.metrics), dict(base.data)
        history, lexicon = base.history, base.lexicon
        if brings_conversations:
            tensors = {name: value for name, value in tensors.items() if not name.startswith(CONVERSATION_PARTS)}
    for branch in branches:
        tensors.update(branch.tensors)
        settings.update(branch.settings)
        metrics.update(branch.metrics)
        data.update(branch.data)
        history = branch.history or history
        lexicon = branch.lexicon or lexicon
    if not history or "members" not in settings:
        raise DataRefused("a model needs both branches; train them together or give a model to take the other one from")
    cold = ColdStart.from_json(settings["cold_start"])
    text = card.write(name=name, encoder=encoder_name, metrics=metrics, data=data, cold_start=cold, seed=seed)
    return Artefact(name, encoder, encoder_name, tensors, history, settings, lexicon, text, metrics, data)


def with_shifts(
    model: Artefact, conversations: Sequence[conversation_data.Conversation], lookup: Mapping[str, Vector]
) -> Artefact:
    """The artefact with the spread of the conversation shifts over real customer turns, from which bands are chosen."""
    scorer = ChampionScorer.from_artefact(model, Bands(0.4, 0.6, "none", "not used here"))
    found = []
    for conversation in conversations:
        state = scorer.initial()
        for message in conversation.messages:
            state = scorer.advance(state, lookup[message.text], message)
            if message.role == "contact":
                found.append(state.shift)
    spread = np.quantile(found, np.linspace(0.005, 0.995, 100))
    return replace(model, tensors={**model.tensors, "conversation.shifts": spread})


def _population(model: Artefact, seed: int) -> tuple[Any, str]:
    """Scores of customers' turns, float64 [n], and where they come from."""
    if "fusion.population" in model.tensors:
        return np.asarray(model.tensors["fusion.population"], np.float64), "the fusion's scores of turns, out of fold"
    rng = np.random.default_rng(seed)
    past = logit(rng.choice(np.asarray(model.tensors["history.population"], np.float64), 20_000))
    shifts = rng.choice(np.asarray(model.tensors["conversation.shifts"], np.float64), 20_000)
    return sigmoid(past + shifts), "training histories × conversations, paired at random"


def fit_bands(model: Artefact, seed: int = SEED) -> Bands:
    """Thresholds at which the stated shares of turns reach a band, over the model's population.

    Nobody who is likelier to leave than to stay is called low, however many of them there are: elevated is at most `EVEN_ODDS`.
    """
    scores, source = _population(model, seed)
    elevated, high = np.quantile(scores, [1 - ELEVATED_SHARE, 1 - HIGH_SHARE])
    elevated = min(elevated, EVEN_ODDS)
    reached = np.mean(scores >= elevated)
    shares = f"{reached:.0%} of turns reach elevated, {HIGH_SHARE:.0%} high"
    chosen_from = f"{shares}; {source}"
    version = f"{model.version.rsplit('-', 1)[1]}-1"
    return Bands(round(float(elevated), 3), round(float(high), 3), version, chosen_from, model.settings["alarms"])


def publish(model: Artefact, out: Path) -> Path:
    """Write the artefact and, beside it, its bands."""
    folder = artefact.save(model, out)
    fit_bands(model).save(bands_path(folder))
    return folder
