"""Every code that the server may put on a screen has words in English and in Chinese."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from assistant.errors import StaywellError
from assistant.escalation.commands import DISPOSITIONS
from assistant.identity import fetching, jwks, oidc
from assistant.outcomes.store import SOURCES, TYPES
from assistant.policy import abuse, rules, unusual, wallet
from assistant.policy.types import ActionKind
from assistant.review.transcripts import Verdict
from assistant.turns import options
from retrieval.documents import BANDS, REASONS
from risk.history.features import DRIVERS

STRINGS = Path(__file__).parents[2] / "web" / "src" / "strings"
LANGUAGES = ("en", "zh")


def words(language: str) -> dict[str, str]:
    return {
        key: text
        for part in ("ui", "console", "supervisor")
        for key, text in json.loads((STRINGS / f"{part}.{language}.json").read_text("utf-8")).items()
    }


def error_codes(root: type[StaywellError] = StaywellError) -> set[str]:
    return {code for child in root.__subclasses__() for code in {child.code, *error_codes(child)}}


def literals(pattern: str, *modules: ModuleType) -> set[str]:
    """What `pattern` finds in the modules' source."""
    return {code for module in modules for code in re.findall(pattern, inspect.getsource(module))}


NO_OFFER = literals(r'return "((?:abuse|wallet)_\w+)"', abuse, wallet) | {unusual.RULE}
RULES = literals(r'Override\("(\w+)"', rules) | rules.SERVICE_RULES
LIMITS = literals(r'(?:return|else|why_not =|why_not=) ?"(\w+)"', rules, wallet, options)

CODES = {
    "band": BANDS,
    "reason": REASONS,
    "action": get_args(ActionKind),
    "verdict": get_args(Verdict),
    "disposition": DISPOSITIONS,
    "disposition_means": DISPOSITIONS,
    "outcome": sorted(TYPES),
    "source": sorted(SOURCES),
    "driver_name": sorted(set(DRIVERS.values())),
    "override": sorted(RULES | NO_OFFER),
    "ineligible": sorted(LIMITS | NO_OFFER | {rules.SAID_ALREADY}),
    "login_refused": sorted(literals(r'code="(\w+)"', oidc, fetching, jwks) | {"rate", "other"}),
    # Only imports report rows, only a start refuses artefacts, only the log's own writer refuses decisions: no screen sees those.
    "error": sorted(error_codes() - {"bad_row", "bad_frame", "bad_artefact", "conflict", "unsound_decision"}),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", CODES)
def test_codes_have_words(language: str, kind: str) -> None:
    known = words(language)
    assert [code for code in CODES[kind] if not known.get(f"{kind}.{code}", "").strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_features_are_told_in_sentences(language: str) -> None:
    known = words(language)
    assert [
        code
        for code in sorted(set(DRIVERS.values()))
        if not known.get(f"driver.{code}") and not known.get(f"driver.{code}.other")
    ] == []
