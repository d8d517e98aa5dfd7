"""Which wordings are looked up, apart from any index."""

from __future__ import annotations

from typing import Any

from assistant.turns.finder import _handoffs
from retrieval.documents import Candidate, Script, SearchContext


class Wordings:
    """Has two ways of calling a person; gives those whose slots are known, the plain one first."""

    scripts = (
        Script("plain@en", "plain", "en", "", "A colleague comes.", "asks_human", "handoff"),
        Script("timed@en", "timed", "en", "", "In {{ agent_wait }}.", "asks_human", "handoff", slots=("agent_wait",)),
    )

    def by_intent(self, intent: str, context: SearchContext) -> list[Candidate]:
        found = [one for one in self.scripts if one.intent == intent and set(one.slots) <= context.known]
        return [Candidate(one, rank, 1.0) for rank, one in enumerate(found[: context.k])]


def handoff(known: frozenset[str]) -> Any:
    return _handoffs(Wordings(), SearchContext("script", "en", known=known))["asks_human"]  # type: ignore[arg-type]


def test_the_waiting_time_is_told_as_soon_as_it_is_known() -> None:
    assert handoff(frozenset()).id == "plain@en"
    assert handoff(frozenset({"agent_wait"})).id == "timed@en"
