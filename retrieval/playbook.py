"""The playbook: families of scripts, each in several locales, read from JSON lines and checked row by row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from jinja2 import TemplateSyntaxError, meta
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from retrieval.documents import BANDS, Band, Offer, Reason, Script, Stage
from retrieval.errors import RowFault, explain

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]
# Names that a template may use without declaring them as slots: it must cope with their absence (`{% if name %}`).
OPTIONAL_SLOTS = frozenset({"name", "greeting", "shop"})
_LINK = re.compile(r"(?i)\b(?:https?:|www\.)")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _OfferRow(_Model):
    id: Line
    kind: Literal["voucher", "percent", "free_shipping", "replacement", "return_label"]
    amount: int = Field(ge=0)
    cost: int = Field(ge=0)
    valid_days: int = Field(30, ge=1, le=365)


class _Wording(_Model):
    title: Line
    text: Line
    examples: tuple[Line, ...] = ()
    quick_replies: tuple[Line, ...] = Field((), max_length=5)


class _Bounds(_Model):
    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> _Bounds:
        if self.min is None and self.max is None:
            raise ValueError("expected min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max: nobody could be meant")
        return self


class _Conditions(_Model):
    """Facts that a conversation knows. A condition on any other could never hold, so its row is refused."""

    verified: bool | None = None
    has_order: bool | None = None
    asked: bool | None = None
    asked_for_more: bool | None = None
    tenure_days: _Bounds | None = None
    value_year: _Bounds | None = None


class FamilyRow(_Model):
    """One line of a playbook file."""

    family: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_/.-]{0,79}$")]
    intent: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")]
    stage: Stage
    reasons: tuple[Reason, ...] = ()
    bands: tuple[Band, ...] = Field(BANDS, min_length=1)
    slots: tuple[str, ...] = ()
    conditions: _Conditions = _Conditions()
    tone: Line = "warm"
    offer: _OfferRow | None = None
    approved_by: Line
    version: int = Field(1, ge=1)
    locales: dict[Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")], _Wording] = Field(min_length=1)

    def scripts(self) -> list[Script]:
        """One script a locale, with ids `family@locale`."""
        conditions = self.conditions.model_dump(exclude_none=True)
        return [
            Script(
                id=f"{self.family}@{locale}",
                family=self.family,
                locale=locale,
                title=wording.title,
                text=wording.text,
                intent=self.intent,
                stage=self.stage,
                reasons=self.reasons,
                bands=self.bands,
                examples=wording.examples,
                slots=self.slots,
                conditions=conditions,
                tone=self.tone,
                quick_replies=wording.quick_replies,
                offer=None if self.offer is None else Offer(**self.offer.model_dump()),
                approved_by=self.approved_by,
                version=self.version,
            )
            for locale, wording in sorted(self.locales.items())
        ]


def packaged() -> Iterator[Path]:
    """The files of the playbook that comes with the package."""
    with resources.as_file(resources.files("retrieval").joinpath("playbook")) as folder:
        yield from sorted(folder.glob("*.jsonl"))


def load(paths: Iterable[Path]) -> tuple[list[Script], list[RowFault]]:
    """Scripts of all good rows in the given files, and what is wrong with the others. A family may stand only once."""
    scripts: list[Script] = []
    faults: list[RowFault] = []
    seen: dict[str, str] = {}
    for path in paths:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            place = f"{path.name}:{number}"
            try:
                row = FamilyRow.model_validate_json(line)
            except ValidationError as fault:
                faults.append(RowFault(number, explain(fault), path.name))
                continue
            problem = _problem(row)
            if problem is None and row.family in seen:
                problem = f"family {row.family!r} already stands at {seen[row.family]}"
            if problem is not None:
                faults.append(RowFault(number, problem, path.name))
                continue
            seen[row.family] = place
            scripts.extend(row.scripts())
    return scripts, faults


def _problem(row: FamilyRow) -> str | None:
    """What a schema cannot see: templates that do not parse, undeclared slots, links, an offer outside compensation."""
    environment = SandboxedEnvironment()
    for locale, wording in row.locales.items():
        try:
            used = meta.find_undeclared_variables(environment.parse(wording.text))
        except TemplateSyntaxError as fault:
            return f"locales.{locale}.text: line {fault.lineno}: {fault.message}"
        undeclared = used - set(row.slots) - OPTIONAL_SLOTS
        if undeclared:
            return f"locales.{locale}.text: slots used but not declared: {', '.join(sorted(undeclared))}"
        if _LINK.search(wording.text):
            return f"locales.{locale}.text: a link must come through a slot, not stand in the wording"
    return None
