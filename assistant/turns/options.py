"""Retrieved candidates become the options that the policy weighs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from assistant.policy import priors, wallet
from assistant.policy.rules import CLEAR, SAID_ALREADY
from assistant.policy.types import ActionKind, Option
from retrieval.documents import Candidate, Product, Script

# Without an intent head (no encoder, or a playbook without examples) a search score is a convex mix of cosine and matched words.
# On the packaged playbook, questions that it cannot answer stay under .36, plain ones reach .6 to .95.
SCORE_ZERO: Final = 0.30
SCORE_ONE: Final = 1.00
NEARLY_AS_GOOD: Final = 0.75  # share of the best relevance below which a reply is no alternative to the best one
NEEDS_PERSON: Final = 0.55  # relevance from which a script that hands over decides
GUESSED: Final = 0.12  # relevance from which what a customer may have meant is worth asking about
GUESSES: Final = 3
# What the intent head must be sure of before a rule's matter is taken as said though its words were not: a missed cry for help is
# worse than a person called for nothing.
CONCERNS: Final[Mapping[str, tuple[str, float]]] = {
    "self_harm": ("self_harm", 0.25),
    "emergency": ("injury", 0.45),
    "threat": ("threat", 0.80),
    "legal_threat": ("legal", 0.80),
}
ASKS_FOR_PERSON: Final[Mapping[str, float]] = {"asks_manager": 0.75, "asks_human": 0.90}
OFF_TOPIC: Final = "off_topic"
SURELY_ELSEWHERE: Final = 0.75  # relevance from which a message is told to be none of the shop's matters
RECORDS: Final = frozenset({"order_no", "return_no"})  # slots that tell what the shop knows
IDLE: Final = frozenset({"greet", "close", "clarify"})  # stages that are noise to somebody who was promised a person
REPEATABLE: Final = frozenset({"greet", "close"})  # stages whose wording may be heard twice
GENERAL: Final = frozenset({"clarify", "fix", "acknowledge"})
HELP: Final = "help"  # who approved what is quoted from the shop's help pages
TREATING_STAGES: Final = frozenset({"compensate", "win_back"})


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval brought for a turn."""

    scripts: Sequence[Candidate] = ()
    clarifying: Sequence[Script] = ()
    handoff: Mapping[str, Script] = field(default_factory=dict)  # by intent
    products: Sequence[Candidate] = ()
    named: bool = False  # the products are what the message asks for, not what might please
    articles: Sequence[Candidate] = ()  # passages of the shop's help
    page_answers: bool = False  # somebody asks what a passage among the scripts clearly answers
    ruled: Mapping[str, float] = field(default_factory=dict)  # probability of each intent that rules decide about
    onward: Sequence[Script] = ()  # "noted; shall a colleague go on?"
    index: str = "none"  # version of the snapshot
    unavailable: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What the price and the eligibility of an option depend on besides the candidate."""

    band: str
    prices: priors.Prices
    sent: Mapping[str, int]  # script families and how often each was sent in this conversation
    last_family: str | None
    clarifies: int
    agents_available: int
    queue_length: int
    wallet: wallet.Wallet | None  # None: nothing can be offered to this customer
    verified: bool
    waiting: bool  # a person has been called and is not here yet
    suspect: str | None  # what the abuse gate says
    now: int
    shown: frozenset[str] = frozenset()  # products that were shown last
    learned: Mapping[str, float] = field(default_factory=dict)  # effects against ordinary service, by kind of action


def relevance(candidate: Candidate, *, named: bool = False) -> float:
    """How well a candidate answers what was said, 0..1: the probability that it does, where the intent head could tell.

    `named`: the products that were found are what the message asks for.
    """
    if "intent" in candidate.sources:
        # What is on record about an order answers the intent however it was worded, and so does the product that was asked for. An
        # item may be another than was meant, unless the state of its order is told along with it.
        slots = candidate.document.slots if isinstance(candidate.document, Script) else ()
        told = on_record(candidate.document) and ("order_item" not in slots or "order_status" in slots)
        told = told or (named and shows(candidate.document))
        return max(0.0, min(1.0, candidate.sources["intent"] if told else candidate.score))
    return max(0.0, min(1.0, (candidate.score - SCORE_ZERO) / (SCORE_ONE - SCORE_ZERO)))


def on_record(document: object) -> TypeGuard[Script]:
    """Whether a script tells what the shop knows about the customer's own order or return."""
    return isinstance(document, Script) and document.offer is None and bool(RECORDS & set(document.slots))


def shows(document: object) -> TypeGuard[Script]:
    """Whether a script shows products."""
    return isinstance(document, Script) and document.offer is None and document.stage == "recommend"


def _shows_others(document: object, found: Found, situation: Situation) -> bool:
    """Whether a script would show what was asked for, and not once more: the same words may stand over other products."""
    return found.named and shows(document) and {one.id for one in found.products} != situation.shown


def concern(found: Found) -> str | None:
    """What no bot should answer, said in other words than the rules know: the gravest that is likely enough."""
    for intent, (reason, least) in CONCERNS.items():
        if found.ruled.get(intent, 0.0) >= least:
            return reason
    return None


def needs_person(found: Found) -> str | None:
    """The intent of the script that fits best, when the playbook says that such a matter belongs with a person."""
    for intent, least in ASKS_FOR_PERSON.items():
        if found.ruled.get(intent, 0.0) >= least:
            return intent
    if not found.scripts:
        return None
    best = max(found.scripts, key=lambda candidate: candidate.score)
    document = best.document
    if isinstance(document, Script) and document.stage == "handoff" and relevance(best) >= NEEDS_PERSON:
        return document.intent
    return None


def build(found: Found, situation: Situation) -> tuple[Option, ...]:
    """All options of a turn, eligible or not: scripts, offers, products, a clarifying question, a person, silence."""
    options: dict[str, Option] = {}
    usable = [c for c in found.scripts if isinstance(c.document, Script) and c.document.stage != "handoff"]
    barred = {candidate.id: _barred(candidate, found, situation) for candidate in usable}
    # An offer may still be taken away by the policy, so it is no measure for the replies beside it.
    fits = {candidate.id: relevance(candidate, named=found.named) for candidate in usable}
    best = max((fits[c.id] for c in usable if barred[c.id] is None and not _is_offer(c)), default=0.0)
    near = [c.document for c in usable if fits[c.id] >= best * NEARLY_AS_GOOD]
    # Nobody is asked for what the shop knows, nor what they are looking for when they have said so.
    informed = frozenset(
        document.intent for document in near if on_record(document) or (found.named and shows(document))
    )
    for candidate in usable:
        anew = _shows_others(candidate.document, found, situation)
        option = _script(candidate, fits[candidate.id], best, situation, barred[candidate.id], informed, anew=anew)
        options.setdefault(option.key, option)
    repeated = max((fits[c.id] for c in usable if barred[c.id] == SAID_ALREADY), default=0.0)
    going_on = _onward(found, repeated, best, situation)
    if going_on is not None:
        options.setdefault(going_on.key, going_on)
    clarifying = clarifying_script(found, situation)
    offered = any(script.family == situation.last_family for script in found.onward)
    asking = _clarify(clarifying, situation, why_not="loop" if offered else None)
    options.setdefault(asking.key, asking)
    options["escalate"] = _priced(
        "escalate", "escalate", situation.prices.escalate_relevance, situation, treatment=True
    )
    options["none"] = _priced("none", "none", 0.0, situation)
    return tuple(options.values())


def clarifying_script(found: Found, situation: Situation) -> Script | None:
    """The clarifying question to ask: the next one that was not just asked."""
    fresh = [script for script in found.clarifying if script.family != situation.last_family]
    ranked = sorted(fresh or found.clarifying, key=lambda script: situation.sent.get(script.family, 0))
    return ranked[0] if ranked else None


def guesses(found: Found) -> list[str]:
    """What the customer may have meant, in a customer's words: the first example of each of the likeliest scripts."""
    texts: dict[str, str] = {}  # by intent
    for candidate in sorted(found.scripts, key=relevance, reverse=True):
        script = candidate.document
        if relevance(candidate) < GUESSED:
            break
        if isinstance(script, Script) and script.examples and _worth_guessing(script):
            texts.setdefault(script.intent, script.examples[0])
    return [text[:1].upper() + text[1:] for text in list(texts.values())[:GUESSES]]


def _worth_guessing(script: Script) -> bool:
    return script.stage not in ("greet", "close") and script.intent != OFF_TOPIC


def _barred(candidate: Candidate, found: Found, situation: Situation) -> str | None:
    """Why a script cannot be said, however well it fits; None when it can."""
    script = candidate.document
    if isinstance(script, Script) and script.offer is not None:
        return _why_no_offer(situation, script.offer.cost)
    if not isinstance(script, Script):
        return None
    if situation.waiting and script.stage in IDLE:
        return "waiting"
    if script.stage == "recommend" and not found.products:
        return "no_products"
    if found.page_answers and _says_nothing_of_it(script):
        return "less_specific"
    if script.intent == OFF_TOPIC:
        return "irrelevant" if relevance(candidate) < SURELY_ELSEWHERE else None
    if _shows_others(script, found, situation):
        return None
    if found.onward and situation.sent.get(script.family) and script.stage not in REPEATABLE:
        return SAID_ALREADY  # a playbook that knows no way on may only say it again
    return None


def _says_nothing_of_it(script: Script) -> bool:
    """Whether a script asks or refers in general words: an answer of the shop's own, from its help pages, says more."""
    return script.approved_by != HELP and not script.slots and script.stage in GENERAL


def _is_offer(candidate: Candidate) -> bool:
    return isinstance(candidate.document, Script) and candidate.document.offer is not None


def _onward(found: Found, repeated: float, best: float, situation: Situation) -> Option | None:
    """Where the best answer was given already and the customer goes on about it: that a person should take it from here.

    `repeated`: how well what was said already would fit.
    """
    script = next((script for script in found.onward if not situation.sent.get(script.family)), None)
    if script is None or situation.waiting or repeated <= best:
        return None
    return _priced(f"reply:{script.id}", "reply", repeated, situation, script=script)


def _script(
    candidate: Candidate,
    fit: float,
    best: float,
    situation: Situation,
    barred: str | None,
    informed: frozenset[str],
    *,
    anew: bool,
) -> Option:
    """`anew`: what is said has other content than when it was said before."""
    script = candidate.document
    assert isinstance(script, Script)  # noqa: S101 — `build` passes scripts only
    kind: ActionKind = "reply"
    key = f"reply:{script.id}"
    benefit = 0
    why_not = barred or (None if fit >= best * NEARLY_AS_GOOD else "less_relevant")
    if script.intent in informed and not on_record(script) and not shows(script) and script.offer is None:
        why_not = "less_specific"
    treatment = script.stage in TREATING_STAGES
    if script.offer is not None:
        kind, key, benefit, treatment = "offer", f"offer:{script.offer.id}", script.offer.cost, True
    elif script.stage == "recommend":
        kind, key = "recommend", f"recommend:{script.id}"
        treatment = fit < CLEAR  # asked for products, a customer gets them: that is service
    return _priced(
        key,
        kind,
        fit,
        situation,
        benefit=benefit,
        script=script,
        treatment=treatment,
        why_not=why_not,
        anew=anew,
    )


def _clarify(script: Script | None, situation: Situation, *, why_not: str | None) -> Option:
    key = "clarify" if script is None else f"clarify:{script.id}"
    return _priced(key, "clarify", situation.prices.clarify_relevance, situation, script=script, why_not=why_not)


def _priced(
    key: str,
    kind: ActionKind,
    fit: float,
    situation: Situation,
    *,
    benefit: int = 0,
    script: Script | None = None,
    treatment: bool = False,
    why_not: str | None = None,
    anew: bool = False,
) -> Option:
    family = None if script is None or anew else script.family
    return Option(
        key=key,
        kind=kind,
        uplift=_uplift(kind, fit, situation),
        cost=priors.cost(
            kind,
            situation.prices,
            relevance=fit,
            benefit=benefit,
            repeats=situation.sent.get(family, 0) if family and kind != "clarify" else 0,
            clarifies=situation.clarifies,
            agents_available=situation.agents_available,
            queue_length=situation.queue_length,
        ),
        relevance=fit,
        why_not=why_not,
        document_id=script.id if script is not None else None,
        treatment=treatment,
        just_sent=family is not None and family == situation.last_family,
    )


def _uplift(kind: ActionKind, fit: float, situation: Situation) -> float:
    """What was learned from the log where it was, the prior table elsewhere."""
    learned = situation.learned.get(kind)
    if learned is None:
        return priors.uplift(kind, situation.band, fit)
    return priors.uplift("reply", situation.band, fit) + learned


def _why_no_offer(situation: Situation, cost: int) -> str | None:
    if situation.wallet is None:
        if not situation.verified:
            return "unverified"
        return (
            None if situation.band == "low" else "wallet_closed"
        )  # in the low band there is none to make: see the rules
    empty = wallet.why_no_offer(situation.wallet, cost=cost, verified=situation.verified, now=situation.now)
    return empty or situation.suspect


def shown_products(found: Found) -> list[Product]:
    """The products of a recommendation."""
    return [candidate.document for candidate in found.products if isinstance(candidate.document, Product)]
