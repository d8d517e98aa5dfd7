"""Rephrasing a draft by a model, within time, budget and what may be said: each sentence is checked before it is shown, the whole
before it is sent. Whatever is wrong ends in the approved wording, with a reason."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog

from assistant.limits import Bucket
from assistant.writers.breaker import Breaker
from assistant.writers.metrics import WriterMetrics
from assistant.writers.ports import Draft, TemplateWriter, Writer, WriterFault
from retrieval.checker import Grounds, check, longest

log = structlog.get_logger()

Choice = Literal["template", "openai"]
Show = Callable[[int, str], None]  # (number from 0, the next sentences)
Strays = Callable[[str, Grounds], Awaitable[bool]]

# The end of a sentence that something follows; a decimal point or a link's dots are none.
_END: Final = re.compile(r"[。！？!?…]+[\"'”’」）)]*|\.[\"'”’)]*(?=\s)|\n+")
# Faults that speak of the server. What a text is refused for does not: else a contact could switch the model off for everybody.
_SERVER_FAULTS: Final = frozenset(
    {"timeout", "http_error", "rate_limited", "unreachable", "broken_stream", "not_understood"}
)
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Worded:
    """What came of a draft. `text` None: the template speaks, and `reason` says why."""

    writer: str
    text: str | None = None
    reason: str | None = None


class Writers:
    """The writers of all sites on this worker. Without a model every site has the template."""

    def __init__(
        self,
        model: Writer | None = None,
        *,
        default: Choice = "template",
        timeout_ms: int = 8_000,
        calls_per_minute: int = 60,
        metrics: WriterMetrics | None = None,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        strays: Strays | None = None,
    ) -> None:
        self._template = TemplateWriter()
        self._model = model
        self._default: Choice = default
        self._timeout_s = timeout_ms / 1000
        self._calls_per_minute = calls_per_minute
        self._metrics = metrics
        self._now = now
        self._strays = strays
        self._breaker = Breaker()
        self._budgets: dict[tuple[str, int], Bucket] = {}

    def of(self, site_settings: Mapping[str, Any]) -> Writer:
        """The writer of a site: what its setting `writer` says, else the installation's."""
        chosen = site_settings.get("writer", self._default)
        return self._model if chosen == "openai" and self._model is not None else self._template

    @property
    def resting(self) -> bool:
        """Whether the model is left alone after failures."""
        return self._breaker.open

    async def rephrase(
        self, draft: Draft, *, site_id: str, site_settings: Mapping[str, Any], show: Show | None
    ) -> Worded:
        """The draft in other words, or why not. Never raises for the model's sake.

        `show` gets sentences as soon as they are written and found good; None where nothing may be seen before it is settled.
        """
        writer = self.of(site_settings)
        if not writer.rephrases:
            return Worded(writer.name, draft.text)
        if self._budget(site_id, site_settings).wait_ms(self._now()) > 0:
            return self._spoken(Worded(writer.name, None, "budget"), site_id)
        if not self._breaker.allows(self._now()):
            return self._spoken(Worded(writer.name, None, "resting"), site_id)
        self._budget(site_id, site_settings).take()
        began = time.perf_counter()
        try:
            worded = Worded(writer.name, await self._written(writer, draft, show))
            self._breaker.succeeded()
        except WriterFault as fault:
            worded = Worded(writer.name, None, fault.reason)
            if fault.reason in _SERVER_FAULTS:
                self._breaker.failed(self._now())
            else:
                self._breaker.succeeded()
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        except Exception as error:  # a defect of a writer must not cost the contact a reply
            log.error("writer_failed", site=site_id, error=type(error).__name__)
            self._breaker.failed(self._now())
            worded = Worded(writer.name, None, "failed")
        if self._metrics is not None:
            self._metrics.seconds.observe(time.perf_counter() - began)
        return self._spoken(worded, site_id)

    async def close(self) -> None:
        """Lets go of the model's connections."""
        if self._model is not None:
            await self._model.close()

    # --- one text ---

    async def _written(self, writer: Writer, draft: Draft, show: Show | None) -> str:
        """The whole text. Raises WriterFault."""
        grounds = grounds_of(draft)
        text, shown, number, began = "", 0, 0, time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s), aclosing(writer.write(draft)) as pieces:
                async for piece in pieces:
                    text = (text + piece).lstrip()
                    if len(text) > longest(draft.text):
                        raise WriterFault("refused_length")
                    end = _end_of_sentences(text)
                    if end <= shown:
                        continue
                    await self._judge(text[:end], grounds, so_far=True)
                    if show is not None:
                        show(number, text[shown:end])
                    if number == 0 and self._metrics is not None:
                        self._metrics.first.observe(time.perf_counter() - began)
                    shown, number = end, number + 1
                text = text.strip()
                await self._judge(text, grounds, so_far=False)
        except TimeoutError:
            raise WriterFault("timeout") from None
        return text

    async def _judge(self, text: str, grounds: Grounds, *, so_far: bool) -> None:
        objections = check(text, grounds, so_far=so_far)
        if objections:
            raise WriterFault(f"refused_{objections[0].kind}")
        if self._strays is not None and await self._strays(text, grounds):
            raise WriterFault("refused_strays")

    def _budget(self, site_id: str, site_settings: Mapping[str, Any]) -> Bucket:
        """Calls of a site; a changed limit starts anew."""
        wanted = site_settings.get("writer_calls_per_minute", self._calls_per_minute)
        limit = wanted if isinstance(wanted, int) and wanted > 0 else self._calls_per_minute
        key = (site_id, limit)
        if key not in self._budgets:
            self._budgets[key] = Bucket(limit, _MINUTE_MS, self._now())
        return self._budgets[key]

    def _spoken(self, worded: Worded, site_id: str) -> Worded:
        if self._metrics is not None:
            self._metrics.replies.labels(worded.reason or "written").inc()
            self._metrics.resting.set(float(self.resting))
        if worded.reason is not None:
            log.warning("writer_fell_back", site=site_id, writer=worded.writer, reason=worded.reason)
        return worded


def grounds_of(draft: Draft) -> Grounds:
    """What a text may rest on: the approved wording and the cards; never what the contact wrote."""
    supports = (*draft.products, *(() if draft.offer is None else (draft.offer,)))
    return Grounds(script=draft.text, locale=draft.language, supports=supports, heard="\n".join(draft.contact))


def _end_of_sentences(text: str) -> int:
    """Where the last whole sentence ends; 0 without one."""
    end = 0
    for match in _END.finditer(text):
        end = match.end()
    return end
