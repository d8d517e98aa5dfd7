"""Whether a text leaves the matter: the guard against what no list of words knows, such as a model that obeys a customer."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final

import numpy as np

from retrieval.checker import Grounds
from retrieval.documents import Encoder, Vector

# Cosine of a sentence with the nearest one of the approved wording. With the packaged encoder, sentences of honest rephrasings
# reach .35 to .88, those of obeyed instructions stay under .39 and mostly under .25 (docs/decisions/0014-writer.md).
LEAST_NEAR: Final = 0.33
REMEMBERED: Final = 2_048  # sentences, most of them of the playbook

_SENTENCE: Final = re.compile(r"[^.!?。！？\n]+(?:[.!?](?!\s)[^.!?。！？\n]+)*[.!?。！？\n]*")


class Nearness:
    """Compares sentences by meaning, in a thread of its own."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nearness")
        self._vector = lru_cache(REMEMBERED)(self._encode)

    async def strays(self, text: str, grounds: Grounds) -> bool:
        """Whether some sentence of `text` is far from every sentence of the grounds."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._strays, text, grounds)

    def close(self) -> None:
        """Lets the running comparison finish."""
        self._thread.shutdown()

    def _strays(self, text: str, grounds: Grounds) -> bool:
        approved = [grounds.script, *_sentences(grounds.script), *grounds.supports]
        near = np.stack([self._vector(part) for part in approved])
        return any(float((near @ self._vector(sentence)).max()) < LEAST_NEAR for sentence in _sentences(text))

    def _encode(self, text: str) -> Vector:
        vector: Vector = self._encoder.encode([text])[0]
        return vector


def _sentences(text: str) -> list[str]:
    """Sentences that say something; "…" and the like do not."""
    found = [part.strip() for part in _SENTENCE.findall(text)]
    return [part for part in found if any(sign.isalpha() for sign in part)]
