"""The model card that travels with an artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from risk.cold_start import ColdStart


def _figure(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "not measurable"
            if value.get("value") is None
            else f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
        )
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _flat(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in figures.items():
        nested = isinstance(value, Mapping) and "value" not in value
        found += _flat(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", value)]
    return found


def _table(figures: Mapping[str, Any]) -> str:
    rows = (f"| {name} | {_figure(value)} |" for name, value in _flat(figures))
    return "\n".join(["| figure | value |", "|---|---|", *rows])


def _cold(cold_start: ColdStart) -> str:
    return f"""## Cold start

No public set pairs chats with purchases. Churn is the history model, shifted by the conversation in logits:
dissatisfaction × {cold_start.dissatisfaction}, leaving words × {cold_start.leaving}, a request for a person × {cold_start.human},
at most ± {cold_start.limit}. These weights are **priors, not estimates**. Every such score carries `cold_start`. An anonymous
visitor starts at the base rate of the training shop. Retrain on your own outcomes as soon as they are mature."""


def _fusion(data: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    verdicts = []
    for name, gain in metrics["gains"].items():
        verdict = "beaten" if metrics["beats"][name] else "**not beaten**"
        verdicts.append(f"- {name}: AUC {_figure(gain['auc'])} higher, {verdict}")
    left_out = ", ".join(f"{count:,} {why}" for why, count in data["left_out"].items())
    sources = ", ".join(f"`{f['name']}` (sha256 `{f['sha256'][:16]}…`)" for f in data["files"])
    shown = {name: value for name, value in metrics.items() if name not in ("gains", "beats")}
    lines = "\n".join(verdicts)
    guessed = (
        f" {data['guessed']:,} more, whose days were not over, taught with labels that a model had guessed; no figure is made of them."
        if data.get("guessed")
        else ""
    )
    return f"""## Fusion

History and conversation meet as learnt from outcomes: {data["conversations"]:,} conversations of {data["customers"]:,} customers whose
{data["horizon_days"]} days were over ({left_out}), from {sources}. Learner: {data["learner"]}; calibration: {data["calibration"]},
both chosen out of fold. Split: {data["split"]}.{guessed} What is unknown of a visitor or of a chat is left open, not guessed.

Against each way of scoring with less, out of fold at the end of a conversation, paired over customers (95 % intervals):

{lines}

{_table(shown)}"""


def _meeting(data: Mapping[str, Any], metrics: Mapping[str, Any], cold_start: ColdStart) -> str:
    """How both branches meet in this model."""
    return _fusion(data["fusion"], metrics["fusion"]) if "fusion" in data else _cold(cold_start)


def _interval(data: Mapping[str, Any]) -> str:
    if "fusion" in data:
        return "The interval covers the calibration of the fusion"
    return "The interval covers the calibration of the history and a third of the conversation's shift either way"


def _tuned(layers: Sequence[Mapping[str, Any]]) -> str:
    """What was learnt on top of a model that was there before, and of whom."""
    lines = []
    for layer in layers:
        start = f"- {layer['numbers']:,} numbers on top of `{layer['base']}`"
        if layer["how"] == "private":
            lines.append(
                f"{start}, learnt privately of {layer['people']:,} people: **ε = {layer['epsilon']:g} at δ = {layer['delta']:g}** for a person"
                f" (DP-SGD: noise {layer['noise']:g} × clip {layer['clip']:g}, sampling rate {layer['sample_rate']:g}, {layer['steps']} steps;"
                f" accountant {layer['accountant']}). Nothing else in this model was made of their conversations: no word, no figure, no threshold."
                " The noise is kept nowhere, so this cannot be trained again to the same numbers."
            )
        else:
            shops = "; ".join(
                f"`{s['name']}` (sha256 `{s['sha256'][:16]}…`), {s['people']:,} people, {s['turns']:,} turns"
                for s in layer["shops"]
            )
            lines.append(
                f"{start}, averaged over {len(layer['shops'])} shops in {layer['rounds']} rounds: {shops}. No promise of privacy."
            )
    return "\n".join(
        [
            "## Tuned",
            "",
            "Only these numbers differ from the model below; its figures are from before. Budgets ε of several layers add up where they learnt of the same people.",
            "",
            *lines,
            "",
            "",
        ]
    )


def write(
    *, name: str, encoder: str, metrics: Mapping[str, Any], data: Mapping[str, Any], cold_start: ColdStart, seed: int
) -> str:
    """Markdown: what it is for, what it learnt from, how well, and where it must not be trusted."""
    conversations, history = data["conversations"], data["history"]
    sources = "\n".join(
        f"- `{f['name']}` (sha256 `{f['sha256'][:16]}…`)" for f in [*conversations["files"], *history["files"]]
    )
    return f"""# {name}

Scores, after every customer message, the probability that the customer stops buying, with an interval, dissatisfaction, the
need for a person, and likely reasons. Chinese and English. For retention in customer service; not for credit, prices,
employment, or any decision about a person without a person.

{_meeting(data, metrics, cold_start)}

{_tuned(conversations["tuned"]) if "tuned" in conversations else ""}## Learnt from

{sources}

- Conversations: {conversations["conversations"]:,}, of them {conversations["labelled_turns"]:,} labelled turns and {conversations["closing_ratings"]:,} closing ratings, languages {", ".join(conversations["languages"])}. Split: {conversations["split"]}.
- History: {history["customers"]:,} customers, {history["rows"]:,} snapshots, {history["horizon_days"]} days of outcome. Split: {history["split"]}.
- English turn labels: none in the training data. English rests on the multilingual encoder `{encoder}`, on whole-conversation labels of translated help-desk talks, and on a few hand-written anchor lines that are in no measurement.
- Reasons and the need for a person: **no labelled set exists**. The reason heads are weakly supervised (patterns on real turns and hand-written examples); their figures say how well they reproduce the patterns, not how true they are. The need for a person is a rule of request, dissatisfaction and repetition.

## Figures (95 % intervals)

### Conversations, out of fold
Each labelled row counts, the closing ratings of whole conversations too, as in published figures on such data; readers and
calibration are both nested. `turns_only` leaves the closing ratings out.

{_table(metrics["conversations"])}

### History, newest snapshot, out of fold by customer
{_table(metrics["history"])}

### Reason heads against their own patterns (AUC, out of fold)
{_table(metrics["reasons"])}

## Limits

- The labels are annotators' impressions of Chinese e-commerce talks; the history is one British gift shop of 2011.
- Foreseeing dissatisfaction is much harder than seeing it: compare `forecast_auc` with `dissatisfied_auc`.
- {_interval(data)}; it does not cover a shop that behaves differently.
- Seed {seed}; the same files and versions give the same artefact.
"""
