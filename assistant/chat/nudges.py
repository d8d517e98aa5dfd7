"""A page of the shop asks whether the chat speaks first. What is answered is a text, or when to ask again, and nothing else."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from assistant.chat.service import ChatDeps
from assistant.errors import BadInput
from assistant.http import clean_text
from assistant.identity.keys import customer_key
from assistant.identity.sites import Site
from assistant.outcomes import nudges
from assistant.policy.nudges import LONGEST_WAIT_S, Nudging

MOST_BYTES = 8192
log = structlog.get_logger(__name__)
Text = Annotated[str, AfterValidator(clean_text)]


class NudgeBody(BaseModel):
    """Where the visitor is, for how many seconds, and, where the shop vouches for them, who it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    site: Annotated[Text, StringConstraints(min_length=1, max_length=64)]
    page: Annotated[Text, StringConstraints(max_length=2000)]
    waited: Annotated[int, Field(ge=0, le=LONGEST_WAIT_S)]
    locale: Annotated[Text, StringConstraints(max_length=35)] = "en"
    identity: Annotated[Text, StringConstraints(max_length=4096)] | None = None


def read_body(raw: bytes) -> NudgeBody:
    """The body, whatever type it says to be: a page of another origin sends it as text, to be spared a second request.

    Raises BadInput.
    """
    if len(raw) > MOST_BYTES:
        raise BadInput("the body is too big")
    try:
        return NudgeBody.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise BadInput(f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}") from None


async def speak_first(deps: ChatDeps, site: Site, body: NudgeBody) -> dict[str, Any]:
    """`{text}` to say now, `{after}` how many seconds on the page to ask again, or nothing. Raises NotAllowed, Unavailable."""
    given = site.settings.get("proactive")
    if given is None:
        return {}
    try:
        nudging = Nudging.from_settings(given)
    except ValueError as error:
        log.warning("bad_proactive", site=site.id, error=str(error))
        return {}
    now = deps.clock()
    customer = None
    if body.identity is not None:
        vouched = await deps.identities.read(site, body.identity, now)
        customer = (vouched.sub, customer_key(deps.secret, site.id, vouched.sub))
    rule, again = await deps.storage.write(
        lambda connection: nudges.speak_first(
            connection, site.id, nudging, customer=customer, page=body.page, waited_s=body.waited, now=now
        )
    )
    if rule is not None:
        return {"text": rule.in_language(body.locale)}
    return {} if again is None else {"after": again}
